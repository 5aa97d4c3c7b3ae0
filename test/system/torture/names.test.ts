import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { apply } from "../../../src/apply/apply.js";
import { bucketBackend } from "../../../src/backend/bucket.js";
import { localBackend } from "../../../src/backend/local.js";
import { openCatalog } from "../../../src/catalog/catalog.js";
import { checkText } from "../../../src/config/load.js";
import { plan } from "../../../src/plan/planner.js";
import { planDocument } from "../../../src/report/json.js";
import { renderPlan } from "../../../src/report/text.js";
import { scan } from "../../../src/scan/scan.js";
import { memoryStore, straight } from "../../../src/testing/memory-store.js";
import { LEADING_OUT } from "../../hostile/keys.js";
import { hostilePaths } from "../../hostile/names.js";
import { OWN, paths, put } from "../../hostile/plants.js";
import { unsafe } from "../../hostile/unsafe.js";
import { figure, sized } from "../../support/figures.js";
import { sandbox } from "../cli-run.js";

vi.setConfig({ testTimeout: sized(300_000, 4 * 3_600_000) });

const LATER = Date.parse("2026-03-01T12:00:00Z");
const CONFIG = `version: 1
settings: { settle: 0s }
safety: { trash: 30d }
locations:
  - { name: a, type: local, path: a, priority: 100, purpose: [inbox] }
  - { name: b, type: local, path: b, purpose: [backup] }
rules:
  - { name: all, match: {}, action: move, from: [a], destination: b }
`;

describe("hostile names of files", () => {
  it("go through scan, plan, show and apply whole, or are told; nothing of them is printed raw", async () => {
    const box = sandbox({ "storage.yaml": CONFIG });
    for (const root of ["a", "b"]) mkdirSync(join(box.dir, root));
    const given = hostilePaths(sized(440, 3_000), 8).filter((path, index) =>
      put(join(box.dir, "a"), path, `bytes ${index}`),
    );
    figure("hostile names", given.length);
    expect(given.length).toBeGreaterThan(300);
    const before = paths(join(box.dir, "a"));
    const isOwn = (path: string) => OWN.includes(path.split("/", 1)[0] ?? "");
    // A name of stowage's own is not the users': it may stand in the way, and that is told.
    const own = given.filter((path) => isOwn(path.toString("latin1"))).map(String);
    for (const name of own) rmSync(join(box.dir, "a", name.split("/", 1)[0] ?? name), { recursive: true, force: true });

    const said: string[] = [];
    const run = async (...args: string[]) => {
      const ended = await box.run(...args);
      said.push(ended.stdout, ended.stderr);
      expect(unsafe(ended.stdout + ended.stderr), args.join(" ")).toBeUndefined();
      expect(ended.stderr, args.join(" ")).not.toMatch(/\n {4}at /);
      return ended;
    };
    expect(await run("init", "-q")).toMatchObject({ code: 0 });
    expect((await run("scan", "-v")).code).toBe(0);
    expect((await run("plan", "-o", "plan.ndjson", "-v")).code).toBe(0);
    expect((await run("show", "plan.ndjson", "--json")).code).toBe(0);
    const planned = JSON.parse(said.at(-2) ?? "") as { actions: { from: { key: string } }[] };
    const applied = await run("apply", "plan.ndjson", "--json");
    expect([0, 4]).toContain(applied.code);
    expect((await run("status", "--json")).code).toBe(0);
    expect((await run("find", "--json")).code).toBe(0);
    const [left, moved] = [paths(join(box.dir, "a")), paths(join(box.dir, "b"))];
    // Whatever became of each: its bytes are there, under its own name.
    for (const [path, bytes] of before) {
      if (isOwn(path)) continue;
      expect(moved.get(path) ?? left.get(path), JSON.stringify(path)).toBe(bytes);
    }
    // What is text was moved, but for what another file of the same name in other letters or forms holds back.
    const texts = [...before.keys()].filter(
      (path) => !isOwn(path) && Buffer.from(path, "latin1").toString("utf8") !== "" && isText(path),
    );
    const known = new Set(texts.map((path) => Buffer.from(path, "latin1").toString()));
    expect(planned.actions.filter(({ from }) => !known.has(from.key))).toEqual([]);
    expect(planned.actions.length).toBeGreaterThan(texts.length * 0.9);
    // A byte order mark is a part of the name, also where it is all of it.
    expect(moved.has(Buffer.from("\ufeff").toString("latin1"))).toBe(true);
    expect(moved.size).toBeGreaterThan(texts.length * 0.9);
    expect(readdirSync(box.dir).sort()).toEqual([".stowage", "a", "b", "plan.ndjson", "storage.yaml"]);
  });
});

const isText = (path: string): boolean =>
  Buffer.from(Buffer.from(path, "latin1").toString()).equals(Buffer.from(path, "latin1"));

describe("hostile keys in a bucket", () => {
  it("are never a way out of a directory: they are copied as they are, or told", async () => {
    const dir = mkdtempSync(join(tmpdir(), "stowage-names-"));
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
    const root = join(dir, "outer", "disk");
    mkdirSync(root, { recursive: true });
    const text = `version: 1\nsettings: { settle: 0s, state: ${dir}/state }\nlocations:\n  - { name: cloud, type: s3, bucket: media, region: us-east-1, purpose: [inbox] }\n  - { name: disk, type: local, path: ${root}, purpose: [backup] }\nrules:\n  - { name: all, match: { location: cloud }, action: copy, destination: disk }\n`;
    const { config, diagnostics } = checkText(text, join(dir, "storage.yaml"), { env: {} });
    if (!config) throw new Error(JSON.stringify(diagnostics));
    const store = memoryStore();
    const cloud = bucketBackend("cloud", "", store, straight, { allowUnconditionalDelete: false });
    const backends = new Map([
      ["cloud", cloud],
      ["disk", localBackend("disk", root)],
    ]);
    for (const [name, backend] of backends)
      await backend.writeMarker(`00000000-0000-4000-8000-${Buffer.from(name).toString("hex").padStart(12, "0")}`);
    const keys = new Set([
      ...LEADING_OUT,
      ...hostilePaths(sized(150, 3_000), 9)
        .filter((path) => isText(path.toString("latin1")))
        .map(String),
    ]);
    figure("hostile names", keys.size);
    for (const key of keys)
      if (!OWN.includes(key)) store.overwrite(key, Buffer.from(`bytes of ${key}`), { mtime: "1700000000.5" });

    const catalog = await openCatalog(join(dir, "state", "catalog.duckdb"));
    onTestFinished(() => catalog.close());
    const seen = await scan(config, catalog, backends, { now: LATER, threads: 2, hash: "all" });
    expect(seen.locations.map(({ status }) => status)).toEqual(["complete", "complete"]);
    const made = await plan(config, catalog, { now: LATER, version: "0.1.0" });
    expect(unsafe(renderPlan(made, { verbose: true }))).toBeUndefined();
    expect(unsafe([...planDocument(made)].join(""))).toBeUndefined();
    expect(made.actions.length).toBeGreaterThan(100);
    const report = await apply(made, backends, {
      state: join(dir, "state"),
      configDigest: config.digest,
      now: () => LATER,
      concurrency: 16,
      retries: 0,
    });
    expect(["complete", "incomplete"]).toContain(report.status);
    for (const { message = "" } of report.outcomes) expect(unsafe(message)).toBeUndefined();
    for (const [path, bytes] of paths(root)) expect(bytes).toBe(`bytes of ${Buffer.from(path, "latin1").toString()}`);
    expect(readdirSync(join(dir, "outer"))).toEqual(["disk"]);
    expect(readdirSync(dir).sort()).toEqual(["outer", "state"]);
    const again = await plan(config, catalog, { now: LATER, version: "0.1.0" });
    expect(again.footer.checks.every(({ status }) => status !== "fail")).toBe(true);
  });
});
