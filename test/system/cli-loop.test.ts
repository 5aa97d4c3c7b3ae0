import { describe, expect, it } from "vitest";
import { type Ended, NOW, type Sandbox, sandbox, stable } from "./cli-run.js";

const CONFIG = `version: 1
safety:
  trash: 30d
locations:
  - name: primary
    type: local
    path: ./library
    priority: 100
    purpose: [inbox, organized]
    capacity: { max: 1GB }
  - name: nas
    type: local
    path: ./nas
    priority: 50
    purpose: [backup]
    capacity: { max: 1GB }
rules:
  - name: old-videos
    match: { ext: mp4, age: ">30d" }
    action: move
    from: [primary]
    destination: nas
  - name: scratch
    match: { path: "/tmp/**" }
    action: delete
    allow_last_copy: true
  - name: photos
    match: { ext: jpg }
    action: copy
    destination: nas
`;

const FILES = {
  "storage.yaml": CONFIG,
  "library/clips/a.mp4": "clip a",
  "library/photos/b.jpg": "photo b",
  "library/photos/c.jpg": "photo c",
  "library/tmp/junk.bin": "junk",
};

/** A library that is adopted and not applied yet. */
async function adopted(files: Record<string, string> = {}): Promise<Sandbox> {
  const box = sandbox({ ...FILES, ...files });
  expect(await box.run("init", "--create", "-q")).toMatchObject({ code: 0 });
  return box;
}

const codeOf = ({ code }: Ended): number | null => code;

/** What a person would see, command by command. */
async function transcript(box: Sandbox, ...commands: string[][]): Promise<string> {
  let text = "";
  for (const args of commands) {
    const { code, stdout, stderr } = await box.run(...args);
    text += `$ stowage ${args.join(" ")}\n${stdout}${stderr === "" ? "" : stderr.replace(/^(?=.)/gm, "| ")}exit ${code}\n\n`;
  }
  return (
    stable(text, box)
      // Which location is done first is for the machine to say.
      .replace(/(^\| Applying: \w+ +\d.*\n)+/gm, (lines) =>
        lines.trimEnd().split("\n").sort().reverse().join("\n").concat("\n"),
      )
      .replace(/in [\d.]+(ms|s), run/g, "in <time>, run")
      .replace(/\d{8}T\d{6}Z-[0-9a-f]{8}/g, "<run>")
      .replace(/p-[0-9a-f]{16}/g, "<plan>")
  );
}

describe("the loop", () => {
  it("plans, applies what was planned, and has nothing left to do (S2)", async () => {
    const box = await adopted();
    const text = await transcript(
      box,
      ["plan", "-o", "plan.ndjson"],
      ["apply", "plan.ndjson"],
      ["plan"],
      ["status"],
      ["history"],
    );
    await expect(text).toMatchFileSnapshot("cli/loop.txt");
    expect(box.tree("library")).toEqual({ "photos/b.jpg": "photo b", "photos/c.jpg": "photo c" });
    expect(box.tree("nas")).toEqual({ "clips/a.mp4": "clip a", "photos/b.jpg": "photo b", "photos/c.jpg": "photo c" });
  });

  it("applies without a file when it is told not to ask", async () => {
    const box = await adopted();
    const { code, stdout } = await box.run("apply", "--auto-approve", "--no-progress");
    expect(code).toBe(0);
    expect(stdout).toContain("Plan: 2 to copy, 1 to move, 1 to delete, 0 to verify, 0 blocked. 20 B to transfer.\n");
    expect(stdout).toMatch(/\nApply complete! 2 copied, 1 moved, 1 deleted, 0 verified, 0 failed\.\n$/);
    const again = await box.run("apply", "--auto-approve", "--no-progress");
    expect(again).toMatchObject({ code: 0, stdout: "No changes. 5 files in 2 locations match storage.yaml.\n" });
  });

  it("refuses to apply an unseen plan when there is nobody to ask, before it scans", async () => {
    const box = await adopted();
    const before = box.tree();
    const { code, stderr, stdout } = await box.run("apply");
    expect({ code, stdout }).toEqual({ code: 64, stdout: "" });
    expect(stderr).toContain("--auto-approve");
    expect(box.tree()).toEqual(before);
  });

  it("says of files that are too young what becomes of them", async () => {
    const box = await adopted();
    box.write("library/young.txt", "young", new Date(NOW));
    const note = "1 file changed in the last 2min (`settings.settle`) and is left alone for now.";
    for (const command of ["scan", "plan"]) expect((await box.run(command)).stderr).toContain(note);
  });

  it("writes the same bytes for the same config, catalog and clock (S17)", async () => {
    const box = await adopted();
    await box.run("plan", "-o", "one.ndjson");
    await box.run("plan", "--no-refresh", "-o", "two.ndjson");
    expect(box.read("one.ndjson")).toContain('"type":"plan"');
    expect(box.read("one.ndjson")).toBe(box.read("two.ndjson"));
  });

  it("shows a plan file as it was made", async () => {
    const box = await adopted();
    const made = await box.run("plan", "-o", "plan.ndjson");
    expect((await box.run("show", "plan.ndjson")).stdout).toBe(made.stdout);
    const document = JSON.parse((await box.run("show", "plan.ndjson", "--json")).stdout);
    expect(document).toMatchObject({
      format_version: "1.0",
      applyable: true,
      summary: { copy: 2, move: 1, delete: 1 },
    });
    expect(document.actions).toHaveLength(4);
    expect(JSON.parse((await box.run("plan", "--no-refresh", "--json")).stdout)).toEqual(document);
    expect(JSON.parse((await box.run("plan", "--no-refresh", "--format", "json")).stdout)).toEqual(document);
  });

  it("plans a part with --target and --exclude, and refuses a selector that names nothing", async () => {
    const box = await adopted();
    const last = ({ stdout }: Ended) => stdout.trimEnd().split("\n").at(-1);
    expect(last(await box.run("plan", "--target", "photos"))).toContain("Plan: 2 to copy, 0 to move, 0 to delete");
    expect(last(await box.run("plan", "--exclude", "scratch"))).toContain("Plan: 2 to copy, 1 to move, 0 to delete");
    const slip = await box.run("plan", "--target", "fotos");
    expect(slip.code).toBe(64);
    expect(slip.stderr).toContain('"photos"');
  });
});

describe("exit codes (§7)", () => {
  it("0, 2, 3: with --detailed-exitcode", async () => {
    const box = await adopted();
    expect(codeOf(await box.run("plan"))).toBe(0);
    expect(codeOf(await box.run("plan", "--detailed-exitcode"))).toBe(2);
    await box.run("apply", "--auto-approve");
    expect(codeOf(await box.run("plan", "--detailed-exitcode"))).toBe(0);
    // Another photo with a name that is taken: that item is blocked, and comes before "changes".
    box.write("nas/photos/d.jpg", "a stranger");
    box.write("library/photos/d.jpg", "photo d");
    expect(codeOf(await box.run("plan"))).toBe(0);
    expect(codeOf(await box.run("plan", "--detailed-exitcode"))).toBe(3);
    // What the plan itself blocks does not make a run incomplete.
    expect(codeOf(await box.run("apply", "--auto-approve"))).toBe(0);
  });

  it("1: storage.yaml is wrong, with every error", async () => {
    const box = sandbox({ "storage.yaml": "version: 1\nlocatons: []\nrules:\n  - { name: x, action: mvoe }\n" });
    for (const command of ["validate", "plan", "scan"]) {
      const { code, stdout, stderr } = await box.run(command);
      expect(code).toBe(1);
      expect(stdout + stderr).toMatch(/storage\.yaml:2:1/);
      expect(stdout + stderr).toMatch(/storage\.yaml:4:/);
    }
  });

  it("3: the plan as a whole is blocked, is written all the same and not applied", async () => {
    const many = Object.fromEntries(
      Array.from({ length: 30 }, (_, index) => [`library/tmp/${index}`, `junk ${index}`]),
    );
    const box = await adopted(many);
    const planned = await box.run("plan", "-o", "plan.ndjson");
    expect(planned.code).toBe(3);
    expect(planned.stdout).toContain("max_delete");
    expect(codeOf(await box.run("apply", "plan.ndjson"))).toBe(3);
    expect(codeOf(await box.run("apply", "--auto-approve"))).toBe(3);
    expect(Object.keys(box.tree("library/tmp"))).toHaveLength(31);
  });

  it("4: something could not be done", async () => {
    const box = await adopted();
    await box.run("plan", "-o", "plan.ndjson");
    box.write("nas/photos/b.jpg", "came in between");
    const { code, stdout } = await box.run("apply", "plan.ndjson");
    expect(code).toBe(4);
    expect(stdout).toContain("+ primary:photos/b.jpg → nas:photos/b.jpg");
    expect(stdout).toContain("Next: ");
    expect(stdout).toMatch(
      /\nApply incomplete\. 1 copied, 1 moved, 1 deleted, 0 verified, \d failed(, 1 skipped)?\.\n$/,
    );
    expect(box.tree("nas")["photos/b.jpg"]).toBe("came in between");
  });

  it("5: the plan is edited, applied before, or of another storage.yaml", async () => {
    const box = await adopted();
    await box.run("plan", "-o", "plan.ndjson");
    box.write("edited.ndjson", box.read("plan.ndjson").replace("photos/b.jpg", "photos/x.jpg"));
    expect(codeOf(await box.run("apply", "edited.ndjson"))).toBe(5);
    expect(codeOf(await box.run("show", "edited.ndjson"))).toBe(5);
    box.write("storage.yaml", CONFIG.replace(">30d", ">31d"));
    expect(codeOf(await box.run("apply", "plan.ndjson"))).toBe(5);
    box.write("storage.yaml", `# a comment makes nothing stale\n${CONFIG}`);
    expect(codeOf(await box.run("apply", "plan.ndjson"))).toBe(0);
    expect(codeOf(await box.run("apply", "plan.ndjson"))).toBe(5);
  });

  it("5: the plan is too old", async () => {
    const box = await adopted();
    await box.run("plan", "-o", "plan.ndjson");
    const env = { STOWAGE_NOW: new Date(Date.parse(NOW) + 25 * 3600_000).toISOString() };
    expect(codeOf(await box.runWith({ env }, "apply", "plan.ndjson"))).toBe(5);
  });

  it("7: another apply holds the lock", async () => {
    const box = await adopted();
    await box.run("plan", "-o", "plan.ndjson");
    const started = new Date().toISOString();
    // A lock of another machine: nobody here can tell whether its process is alive.
    box.write(
      ".stowage/lock",
      JSON.stringify({ pid: 1, host: "elsewhere", boot: "b", start: started, nonce: "n", since: 0 }),
    );
    const { code, stderr } = await box.run("apply", "plan.ndjson");
    expect(code).toBe(7);
    expect(stderr).toContain("elsewhere");
    expect(codeOf(await box.run("unlock"))).toBe(7);
    expect(codeOf(await box.run("unlock", "--force"))).toBe(0);
    expect(codeOf(await box.run("apply", "plan.ndjson"))).toBe(0);
  });
});

describe("--json", () => {
  it("of apply is one event a line, and the last is the result", async () => {
    const box = await adopted();
    const { code, stdout, stderr } = await box.run("apply", "--auto-approve", "--json", "-q");
    expect([code, stderr]).toEqual([0, ""]);
    const events = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events.filter(({ type }) => type === "action-done")).toHaveLength(4);
    expect(events.find(({ type }) => type === "plan")).toMatchObject({ applyable: true, summary: { copy: 2 } });
    expect(events.at(-1)).toMatchObject({
      type: "result",
      status: "complete",
      copied: 2,
      moved: 1,
      deleted: 1,
      exit: 0,
    });
  });

  it("of scan too", async () => {
    const box = await adopted();
    const { stdout } = await box.run("scan", "--json", "-q");
    const events = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events.some(({ type, location }) => type === "scan" && location === "primary")).toBe(true);
    expect(events.at(-1)).toMatchObject({
      type: "result",
      locations: [{ location: "primary", files: 4 }, { location: "nas" }],
    });
  });

  it("of an error is a document on stdout, and the exit code stays", async () => {
    const box = await adopted();
    await box.run("plan", "-o", "plan.ndjson");
    await box.run("apply", "plan.ndjson");
    const { code, stdout, stderr } = await box.run("apply", "plan.ndjson", "--json", "-q");
    expect([code, stderr]).toEqual([5, ""]);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "PLAN_APPLIED", exit: 5 } });
  });

  it("can be set by the environment, like every global flag", async () => {
    const box = await adopted();
    box.write("other.yaml", CONFIG);
    const env = { STOWAGE_JSON: "1", STOWAGE_CONFIG: "other.yaml", STOWAGE_QUIET: "1" };
    const { stdout, stderr } = await box.runWith({ env }, "location", "list");
    expect(stderr).toBe("");
    expect(JSON.parse(stdout).locations.map(({ name }: { name: string }) => name)).toEqual(["primary", "nas"]);
  });
});

describe("plan files", () => {
  it("never overwrites what is not a plan", async () => {
    const box = await adopted({ "notes.txt": "mine" });
    const { code, stderr } = await box.run("plan", "-o", "notes.txt");
    expect(code).toBe(1);
    expect(stderr).toContain("is not a plan");
    expect(box.read("notes.txt")).toBe("mine");
    expect(codeOf(await box.run("plan", "-o", "plan.ndjson"))).toBe(0);
    expect(codeOf(await box.run("plan", "-o", "plan.ndjson"))).toBe(0);
  });

  it("are written also when there is nothing to do", async () => {
    const box = await adopted();
    await box.run("apply", "--auto-approve");
    expect(codeOf(await box.run("plan", "-o", "plan.ndjson"))).toBe(0);
    expect((await box.run("show", "plan.ndjson")).stdout).toContain("No changes.");
  });
});

describe("streams", () => {
  it("keep results on stdout and the rest on stderr, which -q silences", async () => {
    const box = await adopted();
    const loud = await box.run("plan");
    expect(loud.stderr).toContain("Scanning");
    const quiet = await box.run("plan", "-q");
    expect(quiet.stderr).toBe("");
    expect(quiet.stdout).toBe(loud.stdout);
    expect(loud.stdout).not.toMatch(/\u001b/);
  });

  it("colour when told to, and never with --no-color or NO_COLOR", async () => {
    const box = await adopted();
    expect((await box.runWith({ env: { FORCE_COLOR: "1" } }, "plan", "-q")).stdout).toContain("\u001b[32m+");
    expect((await box.runWith({ env: { FORCE_COLOR: "1", NO_COLOR: "1" } }, "plan", "-q")).stdout).not.toContain(
      "\u001b",
    );
    expect((await box.runWith({ env: { FORCE_COLOR: "1" } }, "plan", "-q", "--no-color")).stdout).not.toContain(
      "\u001b",
    );
  });
});
