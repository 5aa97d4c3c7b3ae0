import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Entry, WriteSource } from "../src/backend/backend.js";
import { type LocalOptions, localBackend } from "../src/backend/local.js";
import { localVersion } from "../src/backend/local-version.js";
import { openBackends } from "../src/backend/open.js";
import { myself } from "../src/backend/process.js";
import type { Config, Location } from "../src/config/config.js";
import { agree, bytesOf, keysOf, leftoversOf, put, RUN, sourceOf, textOf } from "../src/testing/subject.js";
import { cleanup, scratch } from "./setup/apply.js";

let root = "";
beforeEach(() => {
  root = scratch();
});
afterEach(cleanup);

const open = (options: LocalOptions = {}) => localBackend("here", root, options);
const remove = ({ key, version }: Entry, trash = false, backend = open()) =>
  backend.remove(key, { version, run: RUN, trash, confirm: agree });

function folderInPlaceOfFile(): void {
  rmSync(join(root, "x"));
  mkdirSync(join(root, "x/d"), { recursive: true });
  writeFileSync(join(root, "x/d/new"), "new");
}

/** The longest key that a file can be written under: the path of its file has 4,095 bytes. */
function deepest(): string {
  const room = 4095 - Buffer.byteLength(root) - 1;
  const folders = Array.from({ length: Math.floor(room / 201) }, () => `${"d".repeat(200)}/`).join("");
  return `${folders.slice(0, room - 1)}x`;
}

/** An error as the system gives it, at the nth time that the step comes. */
function errno(step: string, code: string, nth = 1): LocalOptions {
  let count = 0;
  return {
    step(name) {
      if (name === step && ++count === nth) throw Object.assign(new Error(`${code}: planted`), { code, syscall: step });
    },
  };
}

describe("a directory as a location", () => {
  it("S14: the root is never created", async () => {
    const missing = localBackend("here", join(root, "missing"));
    for (const attempt of [() => put(missing, "x", "1"), () => missing.writeMarker("11111111-2222")]) {
      await expect(attempt()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    }
    expect(existsSync(join(root, "missing"))).toBe(false);
  });

  it("the root may be a symbolic link", async () => {
    const real = scratch();
    symlinkSync(real, join(root, "link"));
    const backend = localBackend("here", join(root, "link"));
    await put(backend, "x", "1");
    expect(await keysOf(backend)).toEqual(["x"]);
    expect(await backend.identity()).toBe(await localBackend("other", real).identity());
  });

  it("S16: lists neither symbolic links nor special files, follows none, and tells of them", async () => {
    await put(open(), "d/x", "1");
    symlinkSync("x", join(root, "d/link"));
    symlinkSync("..", join(root, "d/loop"));
    execFileSync("mkfifo", [join(root, "d/pipe")]);
    const skipped: string[] = [];
    for await (const _ of open().list({ onSkip: (name, why) => skipped.push(`${name} ${why}`) }));
    expect(await keysOf(open())).toEqual(["d/x"]);
    expect(skipped.sort()).toEqual(["d/link symlink", "d/loop symlink", "d/pipe special"]);
  });

  it.each([
    "stat",
    "read",
    "write",
    "remove",
  ] as const)("S16: a pipe, a directory and a symbolic link are no objects to %s, and never block", async (method) => {
    execFileSync("mkfifo", [join(root, "pipe")]);
    mkdirSync(join(root, "dir"));
    writeFileSync(join(root, "target"), "1");
    symlinkSync("target", join(root, "link"));
    for (const key of ["pipe", "dir", "link"]) {
      const asked = {
        stat: () => open().stat(key),
        read: () => textOf(open(), key),
        write: () => put(open(), key, "2"),
        remove: () => remove({ key, version: "1", size: 0, mtime: 0n }),
      };
      await expect(asked[method]()).rejects.toMatchObject({ code: "PRECONDITION" });
    }
    expect(readFileSync(join(root, "target"), "utf8")).toBe("1");
  });

  it("S16: nothing is reached through a symbolic link to a directory", async () => {
    const outside = scratch();
    writeFileSync(join(outside, "x"), "1");
    symlinkSync(outside, join(root, "d"));
    const tries = [
      () => open().stat("d/x"),
      () => textOf(open(), "d/x"),
      () => put(open(), "d/y", "2"),
      () => remove({ key: "d/x", version: "1", size: 1, mtime: 0n }),
    ];
    for (const each of tries) await expect(each()).rejects.toMatchObject({ code: "PRECONDITION" });
    expect(readdirSync(outside)).toEqual(["x"]);
  });

  it("stowage's own directories that are symbolic links are not used", async () => {
    const outside = scratch();
    symlinkSync(outside, join(root, ".stowage-tmp"));
    await expect(put(open(), "x", "1")).rejects.toMatchObject({ code: "PRECONDITION" });
    rmSync(join(root, ".stowage-tmp"));
    const entry = await put(open(), "x", "1");
    symlinkSync(outside, join(root, ".stowage-trash"));
    await expect(remove(entry)).rejects.toMatchObject({ code: "PRECONDITION" });
    expect([readdirSync(outside), await textOf(open(), "x")]).toEqual([[], "1"]);
  });

  it.each([".stowage-location", ".stowage-tmp/x", ".stowage-trash/run/1/x"])("S10: %s is no key", async (key) => {
    await expect(open().stat(key)).rejects.toMatchObject({ code: "UNSUPPORTED_NAME" });
    await expect(put(open(), key, "1")).rejects.toMatchObject({ code: "UNSUPPORTED_NAME" });
    await expect(remove({ key, version: "1", size: 0, mtime: 0n })).rejects.toMatchObject({ code: "UNSUPPORTED_NAME" });
  });

  it("S15: lists a name that is no Unicode neither wrongly nor silently", async () => {
    writeFileSync(Buffer.concat([Buffer.from(`${root}/bad-`), Buffer.from([0xff, 0xfe])]), "1");
    await put(open(), "good", "1");
    const skipped: string[] = [];
    for await (const _ of open().list({ onSkip: (_, why) => skipped.push(why) }));
    expect([await keysOf(open()), skipped]).toEqual([["good"], ["name"]]);
  });

  it("I5: a directory that can not be read ends the listing with an error", async () => {
    await put(open(), "d/x", "1");
    const list = async () => {
      for await (const { key } of open().list()) if (key) rmSync(root, { recursive: true });
    };
    await expect(list()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  it.each([
    {
      name: "comments, blanks and capitals",
      text: "# hello\n\n  UUID:  AAAAAAAA-2222-4333-8444-555555555555  \r\nmore: 1\n",
      uuid: "aaaaaaaa-2222-4333-8444-555555555555",
    },
    { name: "garbage", text: "\u0000\u0001", uuid: undefined },
    { name: "nothing", text: "", uuid: undefined },
  ])("S14: a marker of $name is understood or is none", async ({ text, uuid }) => {
    writeFileSync(join(root, ".stowage-location"), text);
    expect(await open().marker()).toBe(uuid);
  });

  it("opens active and draining locations only", async () => {
    const location = (name: string, status: Location["status"]) => ({ name, type: "local", root, status }) as Location;
    const locations = [
      location("a", "active"),
      location("d", "draining"),
      location("o", "offline"),
      location("r", "retired"),
    ];
    const config = { file: join(root, "storage.yaml"), settings: {}, locations } as unknown as Config;
    expect([...(await openBackends(config)).keys()]).toEqual(["a", "d"]);
  });
});

describe("writing", () => {
  it("keeps permissions of a local source: what is private stays private", async () => {
    const path = join(scratch(), "secret");
    writeFileSync(path, "1");
    chmodSync(path, 0o600);
    await open().write("secret", sourceOf("1", { path }));
    expect(statSync(join(root, "secret")).mode & 0o777).toBe(0o600);
  });

  /** A file of another location on this machine. */
  const near = (promised: string, bytes = promised): WriteSource => {
    const from = scratch();
    const path = join(from, "x");
    writeFileSync(path, bytes);
    const file = { location: "from", root: from, key: "x", version: localVersion(statSync(path, { bigint: true })) };
    return sourceOf(promised, { path, file, bytes: () => sourceOf(bytes).bytes() });
  };

  it("I4: the bytes of a local source are proven too, not believed", async () => {
    for (const { file, ...source } of [near("1", "2"), near("1", "22")])
      for (const each of [source, { ...source, ...(file && { file }) }])
        await expect(open().write("x", each)).rejects.toMatchObject({ code: "CORRUPT" });
    expect(await keysOf(open())).toEqual([]);
  });

  it("I4: publishes nothing that was changed after it was read back, and keeps the name free", async () => {
    const confirm = async () => {
      const [temporary = ""] = readdirSync(join(root, ".stowage-tmp"));
      writeFileSync(join(root, ".stowage-tmp", temporary), "2");
    };
    await expect(open().write("x", sourceOf("1", { confirm }))).rejects.toMatchObject({ code: "READ_BACK" });
    expect([await keysOf(open()), readdirSync(join(root, ".stowage-tmp"))]).toEqual([[], []]);
  });

  it("publishes nothing that does not read back the same", async () => {
    const spoil: LocalOptions = {
      step(name) {
        if (name !== "filled") return;
        const [temporary = ""] = readdirSync(join(root, ".stowage-tmp"));
        writeFileSync(join(root, ".stowage-tmp", temporary), "2");
      },
    };
    for (const source of [sourceOf("1"), near("1")])
      await expect(open(spoil).write("x", source)).rejects.toMatchObject({ code: "READ_BACK" });
    expect([await keysOf(open()), readdirSync(join(root, ".stowage-tmp"))]).toEqual([[], []]);
  });

  it.each([
    {
      step: "linked",
      code: "EIO",
      name: "I6: an error after the link was made is settled by looking: the file is ours",
      ok: true,
    },
    {
      step: "linked",
      code: "EEXIST",
      name: "I6: an EEXIST for our own link (a lost answer of NFS) is no conflict",
      ok: true,
    },
    { step: "link", code: "EIO", name: "I6: an error before the link was made leaves nothing", ok: false },
  ])("$name", async ({ step, code, ok }) => {
    const written = put(open(errno(step, code)), "x", "1");
    if (ok) expect((await written).size).toBe(1);
    else await expect(written).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(await keysOf(open())).toEqual(ok ? ["x"] : []);
    expect(readdirSync(join(root, ".stowage-tmp"))).toEqual([]);
  });

  it.each([
    "EPERM",
    "ENOTSUP",
    "EMLINK",
  ])("where hard links are refused with %s, takes the name first and renames over it", async (code) => {
    const backend = open(errno("link", code));
    await put(backend, "x", "1");
    await put(backend, "y", "2");
    await expect(put(backend, "x", "3")).rejects.toMatchObject({ code: "PRECONDITION" });
    expect([await textOf(open(), "x"), await textOf(open(), "y"), await keysOf(open())]).toEqual([
      "1",
      "2",
      ["x", "y"],
    ]);
  });

  it("I3: without hard links, what takes the reserved name is not overwritten", async () => {
    const features = { hardLinks: false };
    const step = async (name: string) => {
      if (name !== "reserved") return;
      // Longer than a tick of the clock that files are stamped with.
      await new Promise((resolve) => setTimeout(resolve, 30));
      rmSync(join(root, "x"));
      writeFileSync(join(root, "x"), "");
    };
    await expect(put(open({ features, step }), "x", "1")).rejects.toMatchObject({ code: "PRECONDITION" });
    expect(readFileSync(join(root, "x"), "utf8")).toBe("");
  });

  it("I3: without hard links, a user's empty file is never taken for a reservation", async () => {
    writeFileSync(join(root, "x"), "");
    mkdirSync(join(root, ".stowage-tmp"));
    await new Promise((resolve) => setTimeout(resolve, 20));
    // The note of a dead process about this very name, which is younger than the file.
    const note = { key: "x", process: { ...myself(), start: "1" }, begun: `${Date.now()}000000` };
    writeFileSync(join(root, ".stowage-tmp/dead.claim"), JSON.stringify(note));
    const backend = open({ features: { hardLinks: false } });
    expect((await backend.stat("x"))?.size).toBe(0);
    await expect(put(backend, "x", "1")).rejects.toMatchObject({ code: "PRECONDITION" });
    await backend.purge((await leftoversOf(backend))[0]!);
    expect(readFileSync(join(root, "x"), "utf8")).toBe("");
  });

  it.each([
    ["torn", "\0".repeat(200)],
    ["gone", ""],
  ])("I6: without hard links, a reserved name is known for ours where what was added to its note is %s", async (_, tail) => {
    const note = { key: "x", process: { ...myself(), start: "1" }, begun: `${Date.now()}000000` };
    mkdirSync(join(root, ".stowage-tmp"));
    await new Promise((resolve) => setTimeout(resolve, 20));
    writeFileSync(join(root, "x"), "");
    await new Promise((resolve) => setTimeout(resolve, 20));
    writeFileSync(join(root, ".stowage-tmp/dead.claim"), `${JSON.stringify(note)}\n${tail}`);
    const backend = open({ features: { hardLinks: false } });
    expect(await backend.stat("x")).toBeUndefined();
    await put(backend, "x", "1");
    expect(readFileSync(join(root, "x"), "utf8")).toBe("1");
    expect(await leftoversOf(backend)).toEqual([]);
  });

  it.each([
    { step: "create", code: "ENOSPC", as: "OUT_OF_SPACE" },
    { step: "filled", code: "EDQUOT", as: "OUT_OF_SPACE" },
    { step: "mkdir", code: "EROFS", as: "READ_ONLY" },
    { step: "create", code: "EACCES", as: "ACCESS_DENIED" },
    { step: "filled", code: "EIO", as: "UNAVAILABLE" },
    { step: "filled", code: "ESTALE", as: "UNAVAILABLE" },
    { step: "link", code: "ENAMETOOLONG", as: "UNSUPPORTED_NAME" },
    { step: "link", code: "EXDEV", as: "UNSUPPORTED_NAME" },
  ])("$code at $step is $as, and nothing is left", async ({ step, code, as }) => {
    await expect(put(open(errno(step, code)), "d/x", "1")).rejects.toMatchObject({ code: as });
    expect(await keysOf(open())).toEqual([]);
    expect((await leftoversOf(open())).length).toBe(0);
  });

  it("an empty directory that is removed under our hands is made again", async () => {
    let once = true;
    const step = (name: string) => {
      if (name !== "link" || !once) return;
      once = false;
      rmSync(join(root, "d"), { recursive: true });
    };
    await put(open({ step }), "d/e/x", "1");
    expect(await keysOf(open())).toEqual(["d/e/x"]);
  });
});

describe("removing", () => {
  it("takes the directories that became empty with it, but not the root, and none with other files", async () => {
    await put(open(), "d/keep", "1");
    await remove(await put(open(), "d/e/f/x", "1"));
    await remove(await put(open(), "y", "1"));
    await open().tidy?.(RUN);
    expect(readdirSync(root).sort()).toEqual([".stowage-tmp", "d"]);
    expect(readdirSync(join(root, "d"))).toEqual(["keep"]);
  });

  it.each([
    {
      name: "another file was renamed over it",
      swap: () => {
        writeFileSync(join(root, "new"), "new");
        renameSync(join(root, "new"), join(root, "x"));
      },
    },
    { name: "it was written in place", swap: () => writeFileSync(join(root, "x"), "new") },
  ])("puts back what is not the verified file: $name", async ({ swap }) => {
    const entry = await put(open(), "x", "1");
    const step = (name: string) => {
      if (name === "secure") swap();
    };
    await expect(remove(entry, false, open({ step }))).rejects.toMatchObject({ code: "PRECONDITION" });
    expect(readFileSync(join(root, "x"), "utf8")).toBe("new");
    expect(await leftoversOf(open())).toEqual([]);
  });

  it.each([true, false])("puts back a folder that took the name, with all that is in it (trash: %s)", async (trash) => {
    const entry = await put(open(), "x", "1");
    const step = (name: string) => {
      if (name === "secure") folderInPlaceOfFile();
    };
    await expect(remove(entry, trash, open({ step }))).rejects.toMatchObject({ code: "PRECONDITION" });
    expect(readFileSync(join(root, "x/d/new"), "utf8")).toBe("new");
    expect([await keysOf(open()), await leftoversOf(open())]).toEqual([["x/d/new"], []]);
  });

  it("I3: a folder is not put back over what has the name by now", async () => {
    const entry = await put(open(), "x", "1");
    const step = (name: string) => {
      if (name === "secure") folderInPlaceOfFile();
      if (name === "renamed to trash") mkdirSync(join(root, "x"));
    };
    await expect(remove(entry, false, open({ step }))).rejects.toThrow(/its bytes are in .*\.stowage-trash/);
    expect([await keysOf(open()), readdirSync(join(root, "x"))]).toEqual([[], []]);
    expect((await leftoversOf(open())).map(({ key, unfinished }) => [key, unfinished])).toEqual([["x/d/new", true]]);
  });

  it("that no link is made of a symbolic link does not mean that none is made of files", async () => {
    const entry = await put(open(), "x", "1");
    let links = 0;
    const step = (name: string) => {
      if (name === "secure") {
        rmSync(join(root, "x"));
        symlinkSync("target", join(root, "x"));
      }
      if (name === "link" && ++links === 1)
        throw Object.assign(new Error("EPERM: planted"), { code: "EPERM", syscall: "link" });
    };
    const backend = open({ step });
    await expect(remove(entry, false, backend)).rejects.toMatchObject({ code: "PRECONDITION" });
    expect(readlinkSync(join(root, "x"))).toBe("target");
    await put(backend, "y", "1");
    expect(links).toBe(2);
  });

  it("a file that is written while it waits for the last word is put back", async () => {
    const entry = await put(open(), "x", "1");
    const [confirm, trash] = [
      async () => {
        const [left] = await leftoversOf(open());
        writeFileSync(join(root, left!.handle), "new");
      },
      false,
    ];
    const removal = open().remove("x", { version: entry.version, run: RUN, trash, confirm });
    await expect(removal).rejects.toMatchObject({ code: "PRECONDITION" });
    expect(readFileSync(join(root, "x"), "utf8")).toBe("new");
  });

  it("I6: an error after the rename was done is settled by looking", async () => {
    const entry = await put(open(), "x", "1");
    await remove(entry, true, open(errno("renamed to trash", "EIO")));
    expect((await leftoversOf(open())).map(({ key }) => key)).toEqual(["x"]);
  });

  it.each(["secure", "secured", "confirmed"])("an error at %s leaves the file where it was", async (step) => {
    const entry = await put(open(), "d/x", "1");
    await expect(remove(entry, false, open(errno(step, "EIO")))).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect([await keysOf(open()), await leftoversOf(open())]).toEqual([["d/x"], []]);
  });

  it("when it can not be put back, it says where the bytes are", async () => {
    const entry = await put(open(), "x", "old");
    const confirm = async () => {
      writeFileSync(join(root, "x"), "new");
      throw new Error("no");
    };
    const removal = open().remove("x", { version: entry.version, run: RUN, trash: false, confirm });
    await expect(removal).rejects.toThrow(/its bytes are in .*\.stowage-trash/);
    const [left] = await leftoversOf(open());
    expect([readFileSync(join(root, "x"), "utf8"), readFileSync(join(root, left!.handle), "utf8")]).toEqual([
      "new",
      "old",
    ]);
  });

  it("I6: what another machine has given back meanwhile is not told to be in the trash", async () => {
    const entry = await put(open(), "x", "1");
    const confirm = async () => void (await open().restore?.(RUN));
    const removal = open().remove("x", { version: entry.version, run: RUN, trash: false, confirm });
    await expect(removal).rejects.toThrow(/x changed while it was being removed$/);
    expect([await textOf(open(), "x"), await leftoversOf(open())]).toEqual(["1", []]);
  });

  it("does not say that bytes are where they are not", async () => {
    const entry = await put(open(), "x", "1");
    const confirm = async () => rmSync(join(root, ".stowage-trash"), { recursive: true });
    const removal = open().remove("x", { version: entry.version, run: RUN, trash: false, confirm });
    await expect(removal).rejects.toThrow(/its bytes are not in .* any more$/);
  });

  it("I6: a removal that fails although its file has come into the trash already is undone from there", async () => {
    const entry = await put(open(), "d/x", "1");
    await expect(remove(entry, true, open(errno("in trash", "EIO")))).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect([await textOf(open(), "d/x"), await leftoversOf(open())]).toEqual(["1", []]);
  });

  it("where not even a directory can be made for lack of space, what makes room still works", async () => {
    const entry = await put(open(), "x", "1");
    await remove(entry, false, open(errno("mkdir", "ENOSPC")));
    expect([await keysOf(open()), await leftoversOf(open())]).toEqual([[], []]);
    const other = await put(open(), "y", "1");
    await expect(remove(other, true, open(errno("mkdir", "ENOSPC")))).rejects.toMatchObject({ code: "OUT_OF_SPACE" });
    expect(await keysOf(open())).toEqual(["y"]);
  });

  it.each([
    { name: "a long name", key: "l".repeat(250), full: true, room: true },
    { name: "a name that is only too long among the temporaries", key: "l".repeat(215), full: true, room: true },
    { name: "a long name, and not even a note can be made", key: "l".repeat(250), full: true, room: false },
    { name: "a key of nearly the length of a path", key: deepest, full: false, room: true },
    { name: "such a key, and no room", key: deepest, full: true, room: false },
  ])("what makes room works with $name too", async ({ key: keyOf, full, room }) => {
    const key = typeof keyOf === "string" ? keyOf : keyOf();
    const entry = await put(open(), key, "1");
    const step = (name: string) => {
      const fails = (full && name === "mkdir") || (!room && name === "note");
      if (fails) throw Object.assign(new Error("ENOSPC: planted"), { code: "ENOSPC", syscall: name });
    };
    await remove(entry, false, open({ step }));
    await open().tidy?.(RUN);
    expect([await keysOf(open()), await leftoversOf(open())]).toEqual([[], []]);
    expect([readdirSync(root), readdirSync(join(root, ".stowage-tmp"))]).toEqual([[".stowage-tmp"], []]);
  });

  it("a hard link elsewhere keeps its bytes", async () => {
    const entry = await put(open(), "x", "1");
    linkSync(join(root, "x"), join(root, "y"));
    await remove((await open().stat("x")) ?? entry);
    expect((await bytesOf(open(), "y")).toString()).toBe("1");
  });
});

describe("leftovers", () => {
  it("I7: trash is as young as the run says or the disk, whatever clock is wrong; temporaries as the disk says", async () => {
    await remove(await put(open(), "x", "1"), true);
    const ahead = "20990131T235959Z-cafecafe";
    const y = await put(open(), "y", "1");
    await open().remove("y", { version: y.version, run: ahead, trash: true, confirm: async () => undefined });
    writeFileSync(join(root, ".stowage-tmp", `${RUN}.abc`), "12");
    execFileSync("touch", ["-d", "2001-01-01", join(root, ".stowage-tmp", `${RUN}.abc`)]);
    const [trash, young, temporary] = await leftoversOf(open());
    expect(trash).toMatchObject({ kind: "trash", key: "x", run: RUN });
    expect(Math.abs(Date.now() - trash!.since)).toBeLessThan(60_000);
    expect(young).toMatchObject({ run: ahead, since: Date.UTC(2099, 0, 31, 23, 59, 59) });
    expect(temporary).toMatchObject({ kind: "temporary", run: RUN, size: 2 });
    expect(Date.now() - temporary!.since).toBeLessThan(60_000);
  });

  it.each([
    "x",
    "../x",
    ".stowage-trash/../x",
    ".stowage-tmp/../x",
    ".stowage-location",
    "/etc/passwd",
    ".stowage-trash//x",
  ])("S10: purging never touches %s", async (handle) => {
    await put(open(), "x", "1");
    const leftover = { kind: "trash", key: "x", run: RUN, size: 1, since: 0, handle } as const;
    await expect(open().purge(leftover)).rejects.toMatchObject({ code: "INVARIANT" });
    expect(await keysOf(open())).toEqual(["x"]);
  });

  it("purging what is gone already is fine, and takes the empty directories of the trash with it", async () => {
    await remove(await put(open(), "a/b/x", "1"), true);
    const [left] = await leftoversOf(open());
    await open().purge(left!);
    await open().purge(left!);
    expect(readdirSync(root).sort()).toEqual([".stowage-tmp"]);
  });
});
