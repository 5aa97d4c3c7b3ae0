import { linkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Sandbox, sandbox } from "./cli-run.js";

const CONFIG = `version: 1
locations:
  - name: primary
    type: local
    path: ./library
    priority: 100
    purpose: [inbox, organized]
    layout: "{project}/**"
  - name: nas
    type: local
    path: ./nas
    priority: 50
    purpose: [backup]
sets:
  delivered: { path: "/*/final/**" }
rules:
  - name: deliverables
    match: { set: delivered, size: ">3B" }
    action: copy
    destination: nas
  - name: never
    match: { ext: xyz }
    action: keep
  - name: shadowed
    match: { set: delivered, size: ">3B", ext: jpg }
    action: keep
`;

const FILES = {
  "outside.jpg": "poster",
  "storage.yaml": CONFIG,
  "library/client-a/final/poster.jpg": "poster",
  "library/client-a/draft/poster-copy.jpg": "poster",
  "library/client-b/draft/idea.txt": "idea",
};

async function scannedAnew(...options: [atEnd?: (clear: () => void) => void]): Promise<Sandbox> {
  const box = sandbox(FILES, ...options);
  expect(await box.run("init", "--create", "-q")).toMatchObject({ code: 0 });
  linkSync(join(box.dir, "library/client-b/draft/idea.txt"), join(box.dir, "library/client-b/draft/idea-link.txt"));
  expect(await box.run("scan", "-q")).toMatchObject({ code: 0 });
  return box;
}

/** Questions change nothing, so they can all be asked of one library. */
let shared: Promise<Sandbox> | undefined;
const clearing: (() => void)[] = [];
const scanned = (): Promise<Sandbox> => (shared ??= scannedAnew((clear) => clearing.push(clear)));
afterAll(() => {
  for (const clear of clearing) clear();
});

const json = async (box: Sandbox, ...args: string[]) => JSON.parse((await box.run(...args, "--json", "-q")).stdout);

describe("find", () => {
  it.each([
    { args: ["--ext", "jpg"], keys: ["client-a/draft/poster-copy.jpg", "client-a/final/poster.jpg"] },
    { args: ["--ext", "jpg", "--path", "/*/final/**"], keys: ["client-a/final/poster.jpg"] },
    {
      args: ["--project", "client-b", "--size", "<1KB"],
      keys: ["client-b/draft/idea-link.txt", "client-b/draft/idea.txt"],
    },
    {
      args: ["--name", "idea.txt", "--name", "poster.jpg"],
      keys: ["client-a/final/poster.jpg", "client-b/draft/idea.txt"],
    },
    { args: ["--set", "delivered"], keys: ["client-a/final/poster.jpg"] },
    { args: ["--match", "{ not: { set: delivered }, ext: [JPG, png] }"], keys: ["client-a/draft/poster-copy.jpg"] },
    { args: ["--match", "{ ext: jpg }", "--name", "idea.txt"], keys: [] },
  ])("$args", async ({ args, keys }) => {
    const { files } = await json(await scanned(), "find", ...args);
    expect(files.map(({ key }: { key: string }) => key)).toEqual(keys);
  });

  it("prints an address a line for other programs", async () => {
    const { stdout } = await (await scanned()).run("find", "--ext", "txt", "-q");
    expect(stdout).toBe("primary:client-b/draft/idea-link.txt\nprimary:client-b/draft/idea.txt\n");
  });

  it.each([
    { args: ["--size", ">3Q"], says: "3Q" },
    { args: ["--set", "delivred"], says: "delivered" },
    { args: ["--match", "{ ext: [jpg }"], says: "--match" },
    { args: ["--match", "{ exd: jpg }"], says: "ext" },
  ])("names what is wrong with $args", async ({ args, says }) => {
    const { code, stderr } = await (await scanned()).run("find", ...args);
    expect(code).not.toBe(0);
    expect(stderr).toContain(says);
  });
});

describe("explain", () => {
  it("prints, rule by rule, the values it saw and why it matched or not", async () => {
    const box = await scanned();
    const { code, stdout } = await box.run("explain", "primary:client-a/final/poster.jpg");
    expect(code).toBe(0);
    expect(stdout).toContain("project    client-a");
    expect(stdout).toMatch(/deliverables \(storage\.yaml:17\) copy: decides\n {2}✓ set delivered/);
    expect(stdout).toMatch(/never \(storage\.yaml:21\) keep: no match\n {2}✗ ext: xyz {2}is jpg/);
    expect(stdout).toMatch(/\+ copy primary:\S+ → nas:client-a\/final\/poster\.jpg \(deliverables\)/);
    const explained = await json(box, "explain", "primary:client-a/final/poster.jpg");
    expect(explained).toMatchObject({ decision: "deliverables", values: { project: "client-a", size: 6 } });
  });

  it("takes a path inside a location", async () => {
    const explained = await json(await scanned(), "explain", "library/client-b/draft/idea.txt");
    expect(explained).toMatchObject({ address: "primary:client-b/draft/idea.txt", decision: null });
  });

  it("says so when there is no such file, or no such location", async () => {
    const box = await scanned();
    expect(await box.run("explain", "primary:nope")).toMatchObject({ code: 1 });
    expect((await box.run("explain", "../elsewhere.txt")).stderr).toContain("primary, nas");
  });
});

describe("whereis", () => {
  const HASH = "sha256:e8e7";

  it.each([
    { name: "an address", address: () => "primary:client-a/final/poster.jpg" },
    { name: "a path inside a location", address: () => "./library/client-a/final/poster.jpg" },
    { name: "a key without its location", address: () => "client-a/final/poster.jpg" },
    { name: "a file from elsewhere with the same bytes", address: (box: Sandbox) => join(box.dir, "outside.jpg") },
  ])("finds every place by $name", async ({ address }) => {
    const box = await scanned();
    const { contents } = await json(box, "whereis", address(box));
    expect(contents).toHaveLength(1);
    expect(contents[0]).toMatchObject({ size: 6, copies: 1 });
    expect(contents[0].instances.map(({ key }: { key: string }) => key)).toEqual([
      "client-a/draft/poster-copy.jpg",
      "client-a/final/poster.jpg",
    ]);
    const hash = contents[0].content as string;
    expect(await json(box, "whereis", hash)).toEqual({ contents });
    expect(await json(box, "whereis", hash.slice("sha256:".length, 20))).toEqual({ contents });
  });

  it("S6 counts hard links across locations once, as find, stats and the planner do", async () => {
    const box = await scannedAnew();
    linkSync(join(box.dir, "library/client-b/draft/idea.txt"), join(box.dir, "nas/idea.txt"));
    writeFileSync(join(box.dir, "nas/poster.jpg"), "poster");
    await box.run("scan", "-q");
    expect((await json(box, "whereis", "nas:idea.txt")).contents).toMatchObject([{ copies: 1 }]);
    expect((await box.run("whereis", "nas:idea.txt")).stdout).toContain(", 1 copy\n");
    expect((await json(box, "whereis", "nas:poster.jpg")).contents).toMatchObject([{ copies: 2 }]);
    expect((await json(box, "find", "--copies", "2")).files).toHaveLength(3);
    expect((await json(box, "stats")).copies).toMatchObject([
      { copies: 1, contents: 1 },
      { copies: 2, contents: 1 },
    ]);
  });

  it("says so when nothing is known", async () => {
    const box = await scanned();
    for (const address of [`${HASH}0123`, "primary:nope", "./nope"]) {
      expect(await box.run("whereis", address)).toMatchObject({ code: 1, stdout: "" });
    }
  });
});

describe("stats, dupes, status, location list", () => {
  it("count by location, type and copies", async () => {
    const stats = await json(await scanned(), "stats");
    expect(stats.locations).toMatchObject([
      { location: "primary", files: 4, bytes: 20, contents: 2 },
      { location: "nas", files: 0 },
    ]);
    expect(stats.copies).toEqual([{ copies: 1, contents: 2, bytes: 10 }]);
  });

  it.each([
    { status: "offline", says: /^nas .* offline, just now$/m },
    { status: "retired", says: /^nas .* retired$/m },
  ])("say of a location that is $status that it is", async ({ status, says }) => {
    const box = await scannedAnew();
    box.write("storage.yaml", CONFIG.replace("purpose: [backup]", `status: ${status}`));
    await box.run("scan", "-q");
    expect((await box.run("stats")).stdout).toMatch(says);
    expect((await json(box, "stats")).locations[1]).toMatchObject({ location: "nas", status });
  });

  it("tell names from copies: hard links waste nothing", async () => {
    const box = await scanned();
    const { summary, dupes } = await json(box, "dupes");
    expect(summary).toEqual({ contents: 2, wasted: 6 });
    expect(dupes[0]).toMatchObject({ location: "primary", names: 2, stored: 2, wasted: 6 });
    expect(dupes[1]).toMatchObject({ names: 2, stored: 1, wasted: 0 });
    expect((await box.run("dupes")).stdout).toContain("2 contents, 6 B stored more than once.");
  });

  it("print the seeds' sync states per file and in sum, and drift", async () => {
    const box = await scannedAnew();
    const { summary, files } = await json(box, "status");
    expect(summary).toMatchObject({ "pending upload": 2, missing: 0 });
    expect(files).toContainEqual(
      expect.objectContaining({ location: "primary", key: "client-a/final/poster.jpg", status: "pending upload" }),
    );
    await box.run("apply", "--auto-approve", "-q");
    expect((await json(box, "status")).summary["pending upload"]).toBe(0);
    expect((await json(box, "status", "--all")).files).toHaveLength(5);
    rmSync(join(box.dir, "library/client-a/draft/poster-copy.jpg"));
    await box.run("scan", "-q");
    const after = await json(box, "status");
    expect(after.summary.missing).toBe(1);
    expect(after.drift).toEqual([expect.objectContaining({ kind: "missing" })]);
  });

  it("list the locations, before the first scan too", async () => {
    const box = sandbox(FILES);
    expect((await json(box, "location", "list")).locations).toMatchObject([
      { name: "primary", type: "local", priority: 100, purpose: ["inbox", "organized"], scanned_at: null },
      { name: "nas", status: "active" },
    ]);
    expect((await box.run("location", "list")).stdout).toContain("never");
  });

  it("ask for a scan when there is none", async () => {
    for (const command of ["stats", "dupes", "find", "status"]) {
      const { code, stdout, stderr } = await sandbox(FILES).run(command);
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toContain("stowage scan");
    }
  });

  it.each([
    "",
    "garbage ".repeat(1000),
  ])("never count the files of a catalog that was thrown away: %j", async (bytes) => {
    const box = await scannedAnew();
    box.write(".stowage/catalog.duckdb", bytes);
    // The second time there is one, and nothing in it.
    for (const args of [["status"], ["status", "--json"]]) {
      const { code, stdout } = await box.run(...args);
      expect(code).toBe(1);
      expect(stdout).not.toContain("0 files");
      expect(stdout).not.toContain("summary");
    }
    expect((await box.run("status")).stderr).toContain("nothing has been scanned yet");
    await box.run("scan", "-q");
    expect((await json(box, "status")).summary["pending upload"]).toBe(2);
  });
});

describe("sql", () => {
  it("answers, as a table and as JSON", async () => {
    const box = await scanned();
    const query = "select project, count(*) as files from file_locations group by project order by project";
    expect((await box.run("sql", query)).stdout).toBe("project   files\nclient-a      2\nclient-b      2\n");
    expect(await json(box, "sql", query)).toEqual([
      { project: "client-a", files: 2 },
      { project: "client-b", files: 2 },
    ]);
    expect(await json(box, "sql", "select * from runs")).toEqual([]);
    expect((await json(box, "sql", "from scans limit 1"))[0].finished_at).toMatch(/^2026-03-01T12:00:/);
  });

  it.each([
    "delete from file_locations",
    "drop table runs",
    "/* look */ update file_locations set size = 0",
    "with x as (select 1) delete from runs",
    "select 1; drop table runs",
    "copy (select 1) to 'out.csv'",
    "select * from read_text('storage.yaml')",
    "attach 'other.db'",
  ])("never writes and never leaves the catalog: %s", async (query) => {
    const box = await scanned();
    const { code, stdout } = await box.run("sql", query);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(await json(box, "sql", "select count(*) as files from file_locations")).toEqual([{ files: 4 }]);
    expect(box.tree()["out.csv"]).toBeUndefined();
  });
});

describe("lint, validate, fmt, schema", () => {
  it("lint finds rules that are dead or shadowed", async () => {
    const { diagnostics } = await json(await scanned(), "lint");
    expect(diagnostics.map(({ code, line }: { code: string; line: number }) => `${code}:${line}`)).toEqual(
      expect.arrayContaining(["DEAD_RULE:21", "SHADOWED_RULE:24"]),
    );
  });

  it("lint works before the first scan, and exits 1 with findings", async () => {
    const { code, stdout } = await sandbox(FILES).run("lint");
    expect(code).toBe(1);
    expect(stdout).toContain("storage.yaml:24:");
  });

  it("validate annotates a pull request", async () => {
    const box = sandbox({ "storage.yaml": CONFIG.replace("rules:", "ruels:") });
    const { code, stdout } = await box.run("validate", "--format", "github");
    expect(code).toBe(1);
    expect(stdout).toMatch(/^::error file=storage\.yaml,line=16,col=1,title=UNKNOWN_KEY::.*ruels/m);
    const { valid, diagnostics } = await json(box, "validate");
    expect(valid).toBe(false);
    expect(diagnostics).toContainEqual(expect.objectContaining({ severity: "error", line: 16, column: 1 }));
  });

  it("fmt --check shows the difference and writes nothing; fmt writes", async () => {
    const box = sandbox({ "storage.yaml": `# mine\n${CONFIG.replace("version: 1\n", "")}version: 1\n` });
    const before = box.read("storage.yaml");
    const check = await box.run("fmt", "--check");
    expect(check.code).toBe(1);
    expect(check.stdout).toMatch(/^--- storage\.yaml/);
    expect(check.stdout).toContain("\n+version: 1\n");
    expect(box.read("storage.yaml")).toBe(before);
    expect(await box.run("fmt")).toMatchObject({ code: 0 });
    expect(box.read("storage.yaml")).toContain("# mine");
    expect(await box.run("fmt", "--check")).toMatchObject({ code: 0, stdout: "" });
  });

  it("fmt leaves a file that does not parse alone", async () => {
    const box = sandbox({ "storage.yaml": "locations: [\n" });
    expect(await box.run("fmt")).toMatchObject({ code: 1 });
    expect(box.read("storage.yaml")).toBe("locations: [\n");
  });

  it("schema prints the schema", async () => {
    expect(JSON.parse((await sandbox({}).run("schema")).stdout)).toMatchObject({ type: "object" });
  });
});

describe("names that fight back (§7)", () => {
  it("never reach the terminal as they are", async () => {
    const box = await scannedAnew();
    writeFileSync(join(box.dir, "library/evil\u001b[2J\u202ename.jpg"), "evil");
    await box.run("scan", "-q");
    const commands = [
      ["find", "--match", "{}"],
      ["status", "--all"],
      ["plan"],
      ["sql", "select key from file_locations"],
    ];
    for (const args of commands) {
      const { stdout, stderr } = await box.run(...args);
      expect(stdout + stderr).not.toMatch(/[\u001b\u202e]/);
    }
    expect((await box.run("find", "--name", "evil*")).stdout).toContain("evil\\x1b[2J\\u{202e}name.jpg");
  });
});
