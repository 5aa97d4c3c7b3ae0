import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type CloudBox, cloudBox, leaked, MARK } from "./box.js";
import type { Cloud } from "./cloud.js";

export interface Loop {
  cloud: Cloud;
  /** More about the location. */
  location?: string;
  versioned?: boolean;
  /** The store does not honour what removals need: nothing is ever removed. */
  appendOnly?: boolean;
  /** A name that is as strange as the store takes. */
  name?: string;
}

const MODIFIED = new Date("2024-02-29T12:34:56.789Z");
const COPY = "name: all, match: { location: disk }, action: copy, destination: cloud";
const THIN = "name: thin, match: { location: disk, ext: mp4 }, action: delete";
const OUT = 'name: out, match: {}, action: move, from: [disk], destination: cloud, key: "out/{path}"';
const HOME = 'name: home, match: { path: "/out/**" }, action: move, from: [cloud], destination: disk, key: "{path}"';
const AWAY = "name: away, match: { location: cloud, ext: jpg }, action: delete, from: [cloud]";
/** It has the form that keys have. */
const CANARY = Buffer.from("canary that must never be seen !").toString("base64");

/** The life of some files in one cloud, by the command line. Each test goes on where the one before it ended. */
export function loopOver(open: () => Loop): void {
  let files: Record<string, string>;
  let box: CloudBox;
  let loop: Loop;
  let clear: () => void;

  beforeAll(async () => {
    loop = open();
    const { cloud, location = "purpose: [backup]", versioned = false, name = "zwei Wörter & 東京 [1].jpg" } = loop;
    files = {
      "a/one.jpg": "picture one",
      [`a/${name}`]: "picture two",
      "b/clip.mp4": "a film",
      "b/empty.txt": "",
      "c/clip again.mp4": "a film",
    };
    const disk = "  - { name: disk, type: local, path: disk, priority: 100, purpose: [inbox, organized] }\n";
    const locations = disk + cloud.location("cloud", location, { versioned });
    box = cloudBox({
      ...{ clouds: [cloud], locations },
      atEnd: (end) => {
        clear = end;
      },
    });
    for (const [path, text] of Object.entries(files)) box.write(`disk/${path}`, text, MODIFIED);
    box.rules(COPY);
    await box.good("init", "-q");
  });
  afterAll(() => clear());

  it("copies what is wanted there, and has nothing left to do (S2)", async () => {
    expect(await box.good("apply", "--auto-approve")).toContain("Apply complete! 4 copied, 0 moved");
    expect(await box.good("plan", "--detailed-exitcode")).toContain(MARK);
  });

  it("hands out links", async () => {
    const odd = Object.keys(files).find((key) => files[key] === "picture two");
    expect(await box.fetch(`cloud:${odd}`)).toBe("picture two");
  });

  it("knows from its journal what it has proven when the catalog was lost (I7)", async () => {
    rmSync(join(box.dir, "state", "catalog.duckdb"));
    box.rules(THIN);
    expect(await box.good("plan")).toContain("Plan: 0 to copy, 0 to move, 2 to delete");
  });

  it("takes what is there for claims when all was lost, and a verify makes it whole (S1, I7)", async () => {
    rmSync(join(box.dir, "state"), { recursive: true });
    const lost = await box.good("plan");
    expect(lost.replace(/\s+/g, " ")).toContain("is only claimed by metadata: run `stowage verify cloud --claimed`");
    expect(await box.good("verify", "cloud", "--claimed")).toContain("4 files read, 28 B: 4 verified, 0 damaged.");
    expect(await box.good("plan")).toContain("Plan: 0 to copy, 0 to move, 2 to delete");
    box.rules(COPY);
    expect(await box.good("plan", "--no-refresh")).toContain(MARK);
  });

  it("moves there and back with every name, byte and time (S7, S11)", async () => {
    box.rules(OUT);
    expect(await box.good("apply", "--auto-approve")).toContain("Apply complete! 0 copied, 5 moved");
    expect(box.tree("disk")).toEqual({});
    box.rules(HOME);
    if (!loop.appendOnly && (await box.good("plan")).includes("before it is known what its store honours"))
      await box.good("location", "check");
    const back = await box.good("apply", "--auto-approve");
    // Where nothing can go, no name gets lost by leaving out the second one of a content.
    expect(back).toContain(`Apply complete! ${loop.appendOnly ? "4 copied, 0 moved" : "0 copied, 5 moved"}`);
    const came = Object.entries(files).filter(([path]) => !loop.appendOnly || !path.startsWith("c/"));
    expect(box.tree("disk")).toEqual(Object.fromEntries(came.map(([path, text]) => [`out/${path}`, text])));
    expect(statSync(join(box.dir, "disk/out/b/clip.mp4")).mtime).toEqual(MODIFIED);
  });

  it("deletes into the trash, which gc empties past its time only (S10)", async () => {
    box.rules(AWAY);
    const deleted = await box.good("apply", "--auto-approve");
    if (loop.appendOnly)
      return void expect(deleted).toMatch(/cloud is append-only|before it is known what its store honours/);
    expect(deleted).toContain("Apply complete! 0 copied, 0 moved, 2 deleted");
    expect(await box.good("gc")).toContain("cloud: 2 files, 22 B, not past its time yet.");
    const later = new Date(Date.now() + 40 * 86_400_000).toISOString();
    const emptied = await box.runWith({ env: { STOWAGE_NOW: later } }, "gc");
    expect(emptied.stdout).toContain("Deleted 2 files for good, 22 B.");
    expect(await box.good("plan")).toContain(MARK);
  });

  it("has shown and kept no secret, and says nothing of one that is wrong", async () => {
    const { env, secrets } = loop.cloud;
    const wrong = Object.entries(env).map(([name, value]) => [name, name.endsWith("FILE") ? value : CANARY]);
    const { stdout } = await box.runWith({ env: Object.fromEntries(wrong) }, "location", "check", "--json");
    expect(JSON.parse(stdout)).toHaveProperty("locations");
    for (const secret of [...secrets, CANARY]) expect(box.said()).not.toContain(secret);
    expect(leaked(box.dir, [...secrets, CANARY])).toEqual([]);
  });
}
