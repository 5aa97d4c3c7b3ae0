import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadConfig, openBackends, openCatalog, sql } from "../../src/index.js";
import { BIN, NOW, type Sandbox, sandbox } from "./cli-run.js";

const CONFIG = `version: 1
safety: { trash: 30d }
locations:
  - { name: primary, type: local, path: ./library, priority: 100, purpose: [inbox, organized] }
  - { name: nas, type: local, path: ./nas, priority: 50, purpose: [backup] }
rules:
  - { name: scratch, match: { path: "/tmp/**" }, action: delete, allow_last_copy: true }
  - { name: everything, match: {}, action: copy, destination: nas }
`;
const FILES = { "storage.yaml": CONFIG, "library/a.jpg": "photo a", "library/b.jpg": "photo b" };

async function adopted(files: Record<string, string> = {}): Promise<Sandbox> {
  const box = sandbox({ ...FILES, ...files });
  expect(await box.run("init", "--create", "-q")).toMatchObject({ code: 0 });
  return box;
}

const json = async (box: Sandbox, ...args: string[]) => JSON.parse((await box.run(...args, "--json", "-q")).stdout);

/** Other bytes of the same length while the catalog still knows the version of the file: what a dying disk does. */
async function damage(box: Sandbox, location: string, key: string): Promise<void> {
  const config = await loadConfig(join(box.dir, "storage.yaml"));
  const root = config.locations.find(({ name }) => name === location)?.root ?? "";
  const { mtime } = statSync(join(root, key));
  writeFileSync(join(root, key), readFileSync(join(root, key), "utf8").replace(/./, "#"));
  utimesSync(join(root, key), mtime, mtime);
  const version = (await (await openBackends(config)).get(location)?.stat(key))?.version ?? "";
  const catalog = await openCatalog(join(config.settings.state, "catalog.duckdb"));
  await catalog.run(sql`UPDATE file_locations SET version = ${version} WHERE location = ${location} AND key = ${key}`);
  await catalog.close();
}

describe("what can be known before the work is known before it", () => {
  it.each([
    { args: ["plan", "-o", "nowhere/plan.ndjson"], code: 1, says: "the folder nowhere does not exist" },
    { args: ["plan", "-o", "library"], code: 1, says: "library is there and is not a plan" },
    { args: ["scan", "nope"], code: 64, says: 'there is no location "nope"' },
    { args: ["verify", "nope"], code: 64, says: 'there is no location "nope"' },
  ])("$args", async ({ args, code, says }) => {
    const box = await adopted();
    const ended = await box.run(...args);
    expect(ended).toMatchObject({ code, stdout: "", stderr: expect.stringContaining(says) });
    expect(ended.stderr).not.toMatch(/Scanning|Verifying/);
  });
});

it.each([
  ["plan"],
  ["apply", "--auto-approve"],
  ["--version"],
])("output that can not be written is told in one error, exit 1, and %s does its work", async (...args) => {
  const box = await adopted();
  const full = openSync("/dev/full", "w");
  const { status, stderr } = spawnSync(process.execPath, [BIN, ...args], {
    cwd: box.dir,
    env: { ...process.env, STOWAGE_NOW: NOW },
    stdio: ["ignore", full, "pipe"],
    encoding: "utf8",
  });
  closeSync(full);
  expect(status).toBe(1);
  expect(stderr.match(/^Error:.*/gm)).toEqual([expect.stringContaining("the output could not be written: ENOSPC")]);
  expect(stderr).not.toContain("    at ");
  expect(existsSync(join(box.dir, "nas/a.jpg"))).toBe(args[0] === "apply");
});

describe("init", () => {
  it("prints nothing with -q when all went well, and a step that several locations need once", async () => {
    const box = sandbox({ "storage.yaml": CONFIG });
    const { code, stdout } = await box.run("init");
    expect(code).toBe(1);
    expect(stdout.match(/is not there/g)).toHaveLength(2);
    expect(stdout.match(/--create/g)).toHaveLength(1);
    expect(await box.run("init", "--create", "-q")).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(await box.run("init", "-q")).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  it("names a missing location once in every message", async () => {
    const box = await adopted();
    rmSync(join(box.dir, "nas"), { recursive: true });
    for (const args of [["scan"], ["verify"], ["status"], ["gc"], ["location", "check"], ["plan"]]) {
      const { stdout, stderr } = await box.run(...args);
      expect(stdout + stderr).not.toContain("nas: nas:");
    }
  });

  it("writes a storage.yaml to begin with, which is valid and canonical, and the schema for the editor", async () => {
    const box = sandbox({});
    const { code, stderr } = await box.run("init");
    expect(code).toBe(0);
    expect(stderr).toContain("Wrote storage.yaml");
    expect(box.read("storage.yaml")).toMatch(/^# yaml-language-server: \$schema=\.stowage\/storage\.schema\.json\n/);
    expect(JSON.parse(box.read(".stowage/storage.schema.json"))).toMatchObject({ type: "object" });
    expect(box.read(".gitignore")).toBe(".stowage/\n");
    expect(await box.run("validate")).toMatchObject({ code: 0 });
    expect(await box.run("fmt", "--check")).toMatchObject({ code: 0 });
    expect(await box.run("lint")).toMatchObject({ code: 0 });
  });

  it("goes all the way with --create: an empty folder becomes a library that plans", async () => {
    const box = sandbox({});
    expect(await box.run("init", "--create")).toMatchObject({ code: 0 });
    box.write("library/a.jpg", "photo a");
    expect((await box.run("plan")).stdout).toContain(
      "Plan: 1 to copy, 0 to move, 0 to delete, 0 to verify, 0 blocked.",
    );
  });

  it("never overwrites a storage.yaml, a marker or a .gitignore", async () => {
    const box = sandbox({ ...FILES, ".gitignore": "mine" });
    await box.run("init", "--create", "-q");
    const marker = box.read("nas/.stowage-location");
    expect(box.read("storage.yaml")).toBe(CONFIG);
    expect((await box.run("init")).stdout).toMatch(/nas: adopted before/);
    expect(box.read("nas/.stowage-location")).toBe(marker);
    rmSync(join(box.dir, "storage.yaml"));
    await box.run("init");
    expect(box.read(".gitignore")).toBe("mine\n.stowage/\n");
  });

  it("makes a missing root only when told (S14)", async () => {
    const box = sandbox(FILES);
    const { code, stdout } = await box.run("init");
    expect(code).toBe(1);
    expect(stdout).toContain("primary: adopted");
    expect(stdout).toContain("--create");
    expect(existsSync(join(box.dir, "nas"))).toBe(false);
    expect(await box.run("init", "--create")).toMatchObject({ code: 0 });
    expect(await box.run("init", "--adopt", "naas")).toMatchObject({ code: 64 });
  });
});

describe("a location that is not there (S14)", () => {
  it("is one blocked item with the next step, and the others go on", async () => {
    const box = await adopted();
    await box.run("apply", "--auto-approve", "-q");
    renameSync(join(box.dir, "nas"), join(box.dir, "unplugged"));
    const scan = await box.run("scan", "-q");
    expect(scan.code).toBe(1);
    expect(scan.stdout).toContain("! nas is suspect:");
    const plan = await box.run("plan", "--detailed-exitcode", "-q");
    expect(plan.code).toBe(3);
    expect(plan.stdout).toContain("! nas:");
    expect(plan.stdout).toContain("0 to delete, 0 to verify, 1 blocked");
    const check = await box.run("location", "check");
    expect(check.code).toBe(1);
    expect(check.stdout).toMatch(/✓ primary .*\n/);
    expect(check.stdout).toMatch(/! nas /);
    expect((await json(box, "location", "list")).locations[1].suspect).not.toBeNull();
    const { stdout: status } = await box.run("status");
    expect(status).toMatch(/^nas .* 2$/m);
    expect(status).toContain("! nas is suspect:");
    expect(status).toMatch(/^4 files: 2 synced, 2 suspect\.$/m);
    expect(status).not.toContain("nas:a.jpg");
    expect((await box.run("status", "--all")).stdout).toContain("suspect         nas:a.jpg  the root does not exist");
    expect((await json(box, "status")).files).toHaveLength(2);
    expect(existsSync(join(box.dir, "nas"))).toBe(false);
  });

  it("is suspect when an empty disk is mounted in its place, until the owner says otherwise", async () => {
    const box = await adopted();
    await box.run("apply", "--auto-approve", "-q");
    renameSync(join(box.dir, "nas"), join(box.dir, "unplugged"));
    mkdirSync(join(box.dir, "nas"));
    const { stdout } = await box.run("plan", "-q");
    expect(stdout).toMatch(/marker .*missing/);
    expect(await box.run("init")).toMatchObject({ code: 1 });
    expect(await box.run("init", "--adopt", "nas")).toMatchObject({ code: 0 });
    expect((await box.run("plan", "-q")).stdout).toContain("Plan: 2 to copy");
  });
});

describe("rot (exit 6)", () => {
  it("is found by verify, repaired by a plan of its own, and gone after that", async () => {
    const box = await adopted();
    await box.run("apply", "--auto-approve", "-q");
    await damage(box, "nas", "a.jpg");
    const found = await box.run("verify", "--repair", "-o", "repair.ndjson", "-q");
    expect(found.code).toBe(6);
    expect(found.stdout).toContain("Damaged: bytes changed without having been written: 1\n  nas:a.jpg\n");
    expect(found.stdout).toContain("4 files read");
    expect(found.stdout).toContain("Plan: 1 to copy, 0 to move, 0 to delete, 0 to verify, 0 blocked.");
    const applied = await box.run("apply", "repair.ndjson", "-q");
    expect(applied).toMatchObject({ code: 0 });
    expect(box.tree("nas")).toEqual({ "a.jpg": "photo a", "b.jpg": "photo b" });
    expect(await box.run("verify", "-q")).toMatchObject({ code: 0 });
    expect((await box.run("plan", "-q")).stdout).toContain("No changes.");
  });

  it("is met by apply, which passes nothing damaged on", async () => {
    const box = await adopted();
    await box.run("plan", "-o", "plan.ndjson", "-q");
    await damage(box, "primary", "a.jpg");
    await box.run("plan", "--no-refresh", "-o", "plan.ndjson", "-q");
    const { code, stdout } = await box.run("apply", "plan.ndjson", "-q");
    expect(code).toBe(6);
    expect(stdout).toContain("Damaged: 1 file");
    expect(stdout).toContain("Next: `stowage verify --repair");
    expect(box.tree("nas")).toEqual({ "b.jpg": "photo b" });
  });

  it("is told as JSON", async () => {
    const box = await adopted();
    await box.run("scan", "-q");
    const { code, stdout } = await box.run("verify", "--json", "-q");
    expect(code).toBe(0);
    const last = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "");
    expect(last).toMatchObject({ type: "result", checked: 2, ok: 2, counts: { rot: 0 } });
  });

  it.each([
    { args: ["--sample", "0%"], says: "nothing" },
    { args: ["--sample", "lots"], says: "lots" },
    { args: ["--repair"], says: "--out" },
    { args: ["nowhere"], says: "nowhere" },
  ])("verify $args is wrong usage", async ({ args, says }) => {
    const { code, stderr } = await (await adopted()).run("verify", ...args);
    expect(code).toBe(64);
    expect(stderr).toContain(says);
  });
});

describe("Ctrl-C (exit 130)", () => {
  const big = Object.fromEntries(
    Array.from({ length: 24 }, (_, index) => [`library/big/${index}.bin`, String(index).padEnd(4_000_000, "x")]),
  );

  it("finishes the files under way, loses nothing, and the next apply goes on", async () => {
    const box = await adopted(big);
    await box.run("plan", "-o", "plan.ndjson", "-q");
    let told = false;
    const stopped = await box.runWith(
      {
        onOutput(text, kill) {
          if (told || !text.includes('"outcome":"copied"')) return;
          told = true;
          kill("SIGINT");
        },
      },
      ...["apply", "plan.ndjson", "--concurrency", "1", "--json"],
    );
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toContain("Interrupted: finishing these files");
    const result = JSON.parse(stopped.stdout.trimEnd().split("\n").at(-1) ?? "");
    expect(result).toMatchObject({ type: "result", status: "interrupted", failed: 0, exit: 130 });
    expect(result.remaining).toBeGreaterThan(0);
    expect(Object.keys(box.tree("library"))).toHaveLength(26);
    expect(readdirSync(join(box.dir, "nas/.stowage-tmp"), { recursive: true }).length).toBe(0);

    const again = await box.run("apply", "plan.ndjson", "-q");
    expect(again.code).toBe(0);
    expect(Object.keys(box.tree("nas"))).toHaveLength(26);
    expect((await box.run("plan", "-q")).stdout).toContain("No changes.");
  });

  it("stops a scan, and keeps what was read", async () => {
    const box = await adopted(big);
    let told = false;
    const { code, stdout } = await box.runWith(
      {
        onOutput(text, kill) {
          if (told || !text.includes('"phase":"hash"')) return;
          told = true;
          kill("SIGTERM");
        },
      },
      ...["scan", "--hash", "all", "--json"],
    );
    // A fast machine may be done before the signal arrives.
    if (code === 0) return;
    expect(code).toBe(130);
    expect(stdout).toContain('"code":"INTERRUPTED"');
    expect(await box.run("scan", "-q")).toMatchObject({ code: 0 });
  });
});

describe("the catalog", () => {
  it("is a cache: deleted or garbage, the next plan is the same (§8)", async () => {
    const box = await adopted();
    const before = (await box.run("plan", "-q")).stdout;
    rmSync(join(box.dir, ".stowage/catalog.duckdb"));
    expect((await box.run("plan", "-q")).stdout).toBe(before);
    rmSync(join(box.dir, ".stowage/catalog.duckdb.wal"), { force: true });
    box.write(".stowage/catalog.duckdb", "garbage ".repeat(1000));
    const { code, stdout, stderr } = await box.run("plan", "-q");
    expect({ code, stdout }).toEqual({ code: 0, stdout: before });
    expect(stderr).toContain("Warning: the catalog is built anew");
    expect(await box.run("scan", "--rebuild", "-q")).toMatchObject({ code: 0 });
    expect((await box.run("plan", "-q")).stdout).toBe(before);
    expect(await box.run("scan", "--rebuild", "nas")).toMatchObject({ code: 64 });
  });

  it("is locked while another process has it (exit 7)", async () => {
    const box = await adopted();
    const holder = spawn(process.execPath, ["--input-type=module", "-e", HOLD], {
      cwd: box.dir,
      env: { ...process.env, STOWAGE: new URL("../../dist/index.js", import.meta.url).href },
    });
    try {
      await new Promise((resolve, reject) => {
        holder.stdout.once("data", resolve);
        holder.once("exit", reject);
      });
      for (const args of [["plan"], ["stats"], ["scan"]]) {
        const { code, stderr } = await box.run(...args);
        expect(code).toBe(7);
        expect(stderr).toContain("Next: Wait");
      }
    } finally {
      holder.kill();
    }
  });
});

const HOLD = `
const { openCatalog } = await import(process.env.STOWAGE);
await openCatalog(".stowage/catalog.duckdb");
console.log("held");
setInterval(() => {}, 1000);
`;

describe("gc", () => {
  it("deletes trash past its time, and nothing before", async () => {
    const box = await adopted({ "library/tmp/junk.bin": "junk" });
    expect(await box.run("apply", "--auto-approve", "-q")).toMatchObject({ code: 0 });
    const soon = await box.run("gc", "-q");
    expect(soon.stdout).toContain("primary: 1 file, 4 B, not past its time yet.");
    expect(soon.stdout).toContain("Deleted 0 files for good, 0 B.");
    const env = { STOWAGE_NOW: new Date(Date.parse(NOW) + 40 * 86_400_000).toISOString() };
    const later = await box.runWith({ env }, "gc", "-q");
    expect(later).toMatchObject({ code: 0, stdout: "Deleted 1 file for good, 4 B.\n" });
    expect(box.tree("library")).toEqual({ "a.jpg": "photo a", "b.jpg": "photo b" });
  });
});

describe("history", () => {
  it("tells what each run did, and finds a journal that was changed (exit 6)", async () => {
    const box = await adopted();
    expect((await box.run("history")).stdout).toContain("Nothing has been applied yet.");
    await box.run("apply", "--auto-approve", "-q");
    const { runs } = await json(box, "history");
    expect(runs).toMatchObject([{ status: "complete", copied: 2, failed: 0 }]);
    const run = runs[0].run as string;
    expect((await box.run("history", run.slice(0, 12))).stdout).toContain("copied nas:a.jpg");
    expect(await box.run("history", "never")).toMatchObject({ code: 1 });
    const journal = `.stowage/journal/${run}.ndjson`;
    box.write(journal, box.read(journal).replace("a.jpg", "z.jpg"));
    expect(await box.run("history")).toMatchObject({ code: 6 });
    expect(await box.run("history", run)).toMatchObject({ code: 6 });
  });
});

describe("a reader that goes away", () => {
  it("ends the output quietly", async () => {
    const many = Object.fromEntries(
      Array.from({ length: 400 }, (_, index) => [`library/many/${index}.txt`, `${index}`]),
    );
    const box = await adopted(many);
    const child = spawn("sh", ["-c", `"${process.execPath}" "${BIN}" plan -v -q | head -n 1; exit 0`], {
      cwd: box.dir,
      env: { ...process.env, STOWAGE_NOW: NOW },
    });
    let stderr = "";
    let stdout = "";
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
    });
    await new Promise((resolve) => child.on("close", resolve));
    expect(stderr).toBe("");
    expect(stdout).toContain("everything");
  });
});
