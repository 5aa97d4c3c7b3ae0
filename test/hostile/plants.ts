import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { myself } from "../../src/backend/process.js";
import type { Sandbox } from "../system/cli-run.js";
import { hostilePaths } from "./names.js";

const OLD = new Date("2026-01-01T00:00:00Z");

/** Puts the bytes at the path below a root; false where the file system has no such names. */
export function put(root: string, path: Buffer, bytes: string): boolean {
  const file = Buffer.concat([Buffer.from(`${root}/`), path]);
  try {
    const end = file.lastIndexOf("/");
    mkdirSync(file.subarray(0, end), { recursive: true });
    writeFileSync(file, bytes, { flag: "wx" });
    utimesSync(file, OLD, OLD);
    return true;
  } catch (error) {
    if (
      ["EEXIST", "ENOTDIR", "EISDIR", "EILSEQ", "ENAMETOOLONG", "EINVAL"].includes(
        (error as NodeJS.ErrnoException).code ?? "",
      )
    )
      return false;
    throw error;
  }
}

/** Every file below a folder as bytes of its path, without stowage's own at the top. */
export function paths(root: string, below = Buffer.alloc(0)): Map<string, string> {
  const found = new Map<string, string>();
  const folder = Buffer.concat([Buffer.from(`${root}/`), below]);
  for (const name of readdirSync(folder, { encoding: "buffer" })) {
    if (below.length === 0 && OWN.includes(name.toString())) continue;
    const path = Buffer.concat([below, name]);
    const file = Buffer.concat([Buffer.from(`${root}/`), path]);
    if (lstatSync(file).isDirectory())
      for (const [inner, bytes] of paths(root, Buffer.concat([path, Buffer.from("/")]))) found.set(inner, bytes);
    else found.set(path.toString("latin1"), readFileSync(file, "utf8"));
  }
  return found;
}
export const OWN = [".stowage-trash", ".stowage-tmp", ".stowage-location", ".stowage-lock", ".stowage-journal"];

/** Something hostile in the locations a and b of a sandbox. */
export interface Plant {
  name: string;
  plant: (box: Sandbox, outside: string) => void;
  /** After the plan was made. */
  later?: (box: Sandbox, outside: string) => void;
  /** One of those that are tried each time. */
  sample?: boolean;
}

export const PLANTS: readonly Plant[] = [
  {
    name: "hostile names",
    sample: true,
    plant(box) {
      for (const [index, path] of hostilePaths(320, 3).entries())
        if (!OWN.includes(path.toString().split("/", 1)[0] ?? "")) put(join(box.dir, "a"), path, `bytes ${index}`);
    },
  },
  {
    name: "links that lead out, in both roots",
    plant(box, outside) {
      for (const [name, target] of [
        ["in", outside],
        ["file", join(outside, "kept")],
        ["up", ".."],
        ["loop", "loop"],
        ["none", "/nowhere"],
      ] as const) {
        symlinkSync(target, join(box.dir, "a", name));
        symlinkSync(target, join(box.dir, "b", `${name}-b`));
      }
    },
  },
  {
    name: "a folder at the destination that becomes a link after the plan",
    sample: true,
    plant: (box) => void mkdirSync(join(box.dir, "b", "sub")),
    later(box, outside) {
      rmSync(join(box.dir, "b", "sub"), { recursive: true });
      symlinkSync(outside, join(box.dir, "b", "sub"));
    },
  },
  {
    name: "a folder at the source that becomes a link after the plan",
    plant: (box) => box.write("a/sub/photo.jpg", "a photo in a folder"),
    later(box, outside) {
      rmSync(join(box.dir, "a", "sub"), { recursive: true });
      writeFileSync(join(outside, "photo.jpg"), "a photo in a folder");
      symlinkSync(outside, join(box.dir, "a", "sub"));
    },
  },
  ...[".stowage-trash", ".stowage-tmp", ".stowage-lock"].map((name) => ({
    name: `${name} that is a link, to old things`,
    sample: name === ".stowage-trash",
    plant: () => undefined,
    later(box: Sandbox, outside: string) {
      for (const root of ["a", "b"]) {
        rmSync(join(box.dir, root, name), { recursive: true, force: true });
        symlinkSync(outside, join(box.dir, root, name));
      }
    },
  })),
  {
    name: "trash of a run that is a link, and notes about names outside",
    sample: true,
    plant: () => undefined,
    later(box, outside) {
      for (const root of ["a", "b"]) {
        mkdirSync(join(box.dir, root, ".stowage-trash"), { recursive: true });
        mkdirSync(join(box.dir, root, ".stowage-tmp"), { recursive: true });
        symlinkSync(outside, join(box.dir, root, ".stowage-trash/20200101T000000Z-00000000"));
        const { ino, ctimeNs } = lstatSync(join(outside, "empty"), { bigint: true });
        const reserved = { ino: String(ino), ctime: String(ctimeNs) };
        const dead = { ...myself(), pid: 9_999_999, start: "1" };
        const note = JSON.stringify({ key: "../outside/empty", process: dead, begun: "0", reserved });
        writeFileSync(join(box.dir, root, ".stowage-tmp/0000000000000000.claim"), note);
        utimesSync(join(box.dir, root, ".stowage-tmp/0000000000000000.claim"), OLD, OLD);
      }
      const dead = { ...myself(), pid: 9_999_999, start: "1", nonce: "/../../outside/x", since: 0 };
      mkdirSync(join(box.dir, ".stowage", "lock.takeover."), { recursive: true });
      writeFileSync(join(box.dir, ".stowage/lock"), JSON.stringify(dead));
    },
  },
];
