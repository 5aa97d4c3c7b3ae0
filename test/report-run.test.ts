import { describe, expect, it } from "vitest";
import type { ApplyEvent, Outcome, RunReport } from "../src/apply/events.js";
import type { Action, Plan } from "../src/plan/plan.js";
import { viewApply } from "../src/report/apply-progress.js";
import { diagnosticLines, githubLines } from "../src/report/diagnostics.js";
import { unifiedDiff } from "../src/report/diff.js";
import { openProgress } from "../src/report/progress.js";
import { runLines } from "../src/report/run.js";
import { viewScan } from "../src/report/scan-progress.js";
import { scanLines } from "../src/report/scan-text.js";
import type { LocationScan } from "../src/scan/record.js";

const action = (id: string, key: string, kind: Action["kind"] = "copy"): Action => ({
  type: "action",
  id,
  kind,
  rule: { name: "photos", line: 4 },
  reason: "rule",
  content: `sha256:${"ab".repeat(32)}`,
  size: 1000,
  from: { location: "primary", key, version: "v" },
  to: kind === "copy" || kind === "move" ? { location: "nas", key, expect: "absent" } : null,
  witnesses: [],
  depends_on: [],
  copies: { before: 1, after: 2 },
  required: 1,
  bytes: kind === "copy" || kind === "move" ? 1000 : 0,
});

const outcome = (of: Action, changes: Partial<Outcome> = {}): Outcome => ({
  action: of.id,
  kind: of.kind,
  outcome: "copied",
  present: [],
  removed: [],
  rot: [],
  bytes: of.bytes,
  ...changes,
});

const ACTIONS = [action("a1", "a.jpg"), action("a2", "b.jpg"), action("a3", "c.jpg"), action("a4", "d.jpg", "delete")];

const planWith = (blocked: number) => ({ actions: [...ACTIONS], footer: { summary: { blocked } } }) as unknown as Plan;

const report = (changes: Partial<RunReport> = {}): RunReport => ({
  run: "20260301T120000Z-00000000",
  plan_id: "p-0",
  status: "complete",
  started: 0,
  finished: 65_000,
  copied: 12,
  moved: 40,
  deleted: 3,
  verified: 8,
  failed: 0,
  skipped: 0,
  remaining: 0,
  bytes: 3000,
  exit: 0,
  outcomes: [],
  present: [],
  ...changes,
});

const last = (lines: Iterable<string>): string | undefined => [...lines].at(-1);

describe("what a run did, as text (§5)", () => {
  it("ends with the frozen line", () => {
    expect(last(runLines(report(), planWith(0)))).toBe(
      "Apply complete! 12 copied, 40 moved, 3 deleted, 8 verified, 0 failed.",
    );
  });

  it("names what failed and what was skipped, with the code and the next step", async () => {
    const evil = action("a9", "evil\u001b[2J.jpg");
    const outcomes = [
      outcome(ACTIONS[0]!),
      outcome(ACTIONS[1]!, { outcome: "failed", code: "OUT_OF_SPACE", message: "no space left on nas" }),
      outcome(ACTIONS[2]!, { outcome: "failed", code: "OUT_OF_SPACE", message: "no space left on nas" }),
      outcome(ACTIONS[3]!, { outcome: "skipped", code: "PRECONDITION", message: "primary:d.jpg has changed" }),
      outcome(evil, { outcome: "skipped", code: "PRECONDITION", message: "evil\u001b[2J.jpg has changed" }),
    ];
    const plan = planWith(2);
    plan.actions.push(evil);
    const lines = [...runLines(report({ status: "incomplete", copied: 1, failed: 2, skipped: 2, outcomes }), plan)];
    expect(lines.join("\n")).not.toContain("\u001b");
    await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot("report/run-incomplete.txt");
  });

  it.each([
    { status: "incomplete", again: "plan again" },
    { status: "corrupt", again: "plan again" },
    { status: "interrupted", again: "run it again" },
    { status: "waiting", again: "run it again" },
    { status: "budget", again: "run it again" },
  ] as const)("S17 says `$again` after a run that is $status: only an open plan can be applied again", (each) => {
    const outcomes = ["ACCESS_DENIED", "OUT_OF_SPACE", "UNAVAILABLE", "ARCHIVED", "NO_TRASH"].map((code) =>
      outcome(ACTIONS[0]!, { outcome: "failed", code }),
    );
    const lines = [...runLines(report({ status: each.status, outcomes }), planWith(0), { width: 200 })];
    const steps = lines.filter((line) => line.startsWith("  Next: "));
    expect(steps).toHaveLength(outcomes.length);
    for (const step of steps) expect(step).toMatch(new RegExp(` and ${each.again}[;.]`));
  });

  it("says what is left after an interruption, and names damage", () => {
    expect(last(runLines(report({ status: "interrupted", remaining: 30 }), planWith(0)))).toBe(
      "Apply interrupted. 12 copied, 40 moved, 3 deleted, 8 verified, 0 failed, 30 not started. Run it again to go on.",
    );
    const rot = [{ location: "nas", key: "a.jpg" }];
    const outcomes = [outcome(ACTIONS[0]!, { outcome: "failed", code: "ROT", message: "damaged", rot })];
    const text = [...runLines(report({ status: "corrupt", outcomes }), planWith(0))].join("\n");
    expect(text).toContain("Damaged: 1 file whose bytes changed without having been written\n  nas:a.jpg\n");
  });
});

describe("progress of a run", () => {
  it("counts bytes and actions per location, also those that fail half way", async () => {
    let now = 0;
    const written: string[] = [];
    const progress = openProgress({
      style: "lines",
      stream: { write: (text: string) => written.push(text) },
      clock: () => now,
    });
    const view = viewApply(progress, planWith(0));
    const tell = async (event: ApplyEvent): Promise<void> => {
      now += 6000;
      view.onEvent(event);
      await Promise.resolve();
    };
    await tell({ type: "run-start", run: "r", plan_id: "p", actions: 4, bytes: 3000, started: 0 });
    await new Promise((resolve) => setImmediate(resolve));
    const [a, b, c, d] = ACTIONS as [Action, Action, Action, Action];
    await tell({ type: "action-start", action: a });
    await tell({ type: "bytes", action: "a1", phase: "copy", location: "nas", bytes: 600 });
    await tell({ type: "bytes", action: "a1", phase: "verify", location: "nas", bytes: 1000 });
    await tell({ type: "action-done", action: a, outcome: outcome(a) });
    await tell({ type: "action-start", action: b });
    await tell({ type: "bytes", action: "a2", phase: "copy", location: "nas", bytes: 900 });
    await tell({ type: "retry", location: "nas", code: "UNAVAILABLE", message: "no answer", attempt: 1, delay: 2000 });
    await tell({ type: "action-done", action: b, outcome: outcome(b, { outcome: "failed" }) });
    await tell({ type: "action-done", action: c, outcome: outcome(c) });
    await tell({ type: "action-done", action: d, outcome: outcome(d, { outcome: "deleted" }) });
    await view.end();
    expect(written.map((line) => line.replace(/ {2}[\d.]+ [KMG]?B\/s.*/, "").trimEnd())).toEqual([
      "Applying …",
      "Applying: nas      0 of 3 files  600 B of 3.0 KB",
      "Applying: nas      1 of 3 files  1.0 KB of 3.0 KB",
      "Applying: nas      1 of 3 files  1.9 KB of 3.0 KB",
      "nas: no answer (attempt 1, again in 2.0s)",
      "Applying: nas      2 of 3 files  1.0 KB of 3.0 KB",
      "Applying: nas      3 of 3 files  2.0 KB of 3.0 KB",
      "Applying: nas      3 actions, 2.0 KB, 1 not done",
      "Applying: primary  1 of 1 file",
      "Applying: primary  1 action",
      "Applying: done in 1min",
    ]);
  });

  it("shows how each location of a scan ended", async () => {
    const written: string[] = [];
    const progress = openProgress({
      style: "lines",
      stream: { write: (text: string) => written.push(text) },
      clock: () => 0,
    });
    const view = await viewScan(progress, "Scanning", ["primary", "nas", "empty"]);
    view.onEvent({ location: "primary", phase: "walk", files: 3, bytes: 0 });
    view.onEvent({ location: "primary", phase: "done", files: 3, bytes: 3000 });
    view.onEvent({ location: "nas", phase: "done", files: 0, bytes: 0 });
    view.settle({
      locations: [
        { location: "primary", status: "complete" },
        { location: "nas", status: "suspect" },
        { location: "empty", status: "complete" },
      ],
    });
    await view.end();
    expect(written).toEqual([
      "Scanning …\n",
      "Scanning: primary  3 files, 3.0 KB\n",
      "Scanning: nas      suspect\n",
      "Scanning: empty    0 files\n",
      "Scanning: done in 0ms\n",
    ]);
  });
});

describe("what a scan found", () => {
  it("lists what is suspect, damaged or unreadable, with the next step", async () => {
    const base: LocationScan = {
      ...{ location: "primary", scan: 1, status: "complete", files: 1204, bytes: 3e9, hashed: 12, hashedBytes: 1e6 },
      ...{
        added: 10,
        changed: 2,
        missing: 1,
        settling: 0,
        symlinks: 1,
        special: 0,
        unnamed: 0,
        excluded: 0,
        elapsed: 1,
      },
      ...{ rot: [], problemCount: 0, problemFolders: 0, problems: [] },
    } as LocationScan;
    const lines = scanLines({
      at: 0,
      locations: [
        {
          ...base,
          rot: [{ key: "rotten\u0007.jpg", expected: "a", actual: "b" }],
          problemCount: 12,
          problems: Array.from({ length: 12 }, (_, index) => ({
            key: `p${index}`,
            code: "unreadable",
            message: "EACCES",
          })),
        },
        {
          ...base,
          location: "nas",
          status: "suspect",
          suspect: "the marker is missing",
          hint: "Mount it.",
          files: 0,
          bytes: 0,
        },
      ],
      offline: ["old_hdd"],
    });
    await expect(`${[...lines].join("\n")}\n`).toMatchFileSnapshot("report/scan.txt");
  });

  it.each([
    { problemCount: 1, problemFolders: 1, says: "1 folder" },
    { problemCount: 2, problemFolders: 0, says: "2 files" },
    { problemCount: 5, problemFolders: 2, says: "3 files and 2 folders" },
  ])("tells folders that could not be listed from files: $says", ({ says, ...counts }) => {
    const scan = { location: "nas", files: 1, bytes: 1, hashed: 0, added: 0, changed: 0, missing: 0, rot: [] };
    const found = { ...scan, ...counts, status: "complete", symlinks: 0, special: 0, problems: [] } as unknown;
    const lines = [...scanLines({ at: 0, locations: [found as LocationScan], offline: [] })];
    expect(lines).toContain(`! nas: ${says} left alone`);
  });
});

describe("diagnostics", () => {
  const found = {
    severity: "error" as const,
    code: "UNKNOWN_KEY",
    message: 'unknown key "a\u001b:b"',
    hint: "100% sure,\nreally",
    file: "/repo/storage.yaml",
    line: 3,
    column: 5,
  };

  it("are file:line:column with the next step below", () => {
    expect([...diagnosticLines([found], "/repo")]).toEqual([
      'storage.yaml:3:5: error: unknown key "a\\x1b:b"',
      "  100% sure,\\nreally",
    ]);
  });

  it("can not break out of a GitHub annotation", () => {
    expect([...githubLines([{ ...found, file: "/repo/a,b:c.yaml" }], "/repo")]).toEqual([
      '::error file=a%2Cb%3Ac.yaml,line=3,col=5,title=UNKNOWN_KEY::unknown key "a\u001b:b"%0A100%25 sure,%0Areally',
    ]);
  });
});

describe("fmt --check", () => {
  it("shows a unified diff, or nothing", () => {
    expect(unifiedDiff("storage.yaml", "a\n", "a\n")).toEqual([]);
    expect(unifiedDiff("storage.yaml", "a\nb\u001b\n", "a\nc\n")).toEqual([
      "--- storage.yaml    as it is",
      "+++ storage.yaml    canonical",
      "@@ -1,2 +1,2 @@",
      " a",
      "-b\\x1b",
      "+c",
    ]);
  });
});
