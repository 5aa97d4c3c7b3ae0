import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { acquireSharedLock } from "../../src/apply/lock-shared.js";
import { localBackend } from "../../src/backend/local.js";
import { myself } from "../../src/backend/process.js";
import { BIN, NOW, type Sandbox, sandbox } from "./cli-run.js";

const CONFIG = (settings: string) => `version: 1
settings: ${settings}
safety: { trash: 30d }
locations:
  - { name: primary, type: local, path: ./library, priority: 100, purpose: [inbox, organized] }
  - { name: nas, type: local, path: ./nas, priority: 50, purpose: [backup] }
  - { name: hub, type: local, path: ./hub, priority: 10 }
rules:
  - { name: videos, match: { ext: mp4 }, action: move, from: [primary], destination: nas }
  - { name: everything, match: { location: primary }, action: copy, destination: nas }
`;
const COUNT = 6;
const FILES = Object.fromEntries(
  Array.from({ length: COUNT }, (_, index) => [
    `library/${index}.${index % 2 ? "jpg" : "mp4"}`,
    `0123456${index}`.repeat(125),
  ]),
);
const big = Object.fromEntries(
  Array.from({ length: 16 }, (_, index) => [`library/${index}.mp4`, String(index).padEnd(4_000_000, "x")]),
);

async function adopted(settings = "{}", files: Record<string, string> = FILES): Promise<Sandbox> {
  const box = sandbox({ "storage.yaml": CONFIG(settings), ...files });
  expect(await box.run("init", "--create", "-q")).toMatchObject({ code: 0 });
  expect(await box.run("plan", "-o", "plan.ndjson", "-q")).toMatchObject({ code: 0 });
  return box;
}

/** Runs sort by the second in which they began. */
const later = (seconds: number) => ({ env: { STOWAGE_NOW: new Date(Date.parse(NOW) + seconds * 1000).toISOString() } });
const lastLine = (text: string): string => text.trimEnd().split("\n").at(-1) ?? "";
const journalOf = (box: Sandbox, run: string): string => join(box.dir, ".stowage/journal", `${run}.ndjson`);
const runsOf = async (box: Sandbox): Promise<{ run: string; status: string }[]> =>
  JSON.parse((await box.run("history", "--json", "-q")).stdout).runs;

describe("a budget (exit 8)", () => {
  it.each([
    { flags: ["--max-bytes", "2.5KB", "--max-duration", "1h"], limit: "bytes", done: 2 },
  ])("$flags stops before it, and run again it goes on to the end", async ({ flags, limit, done }) => {
    const box = await adopted();
    const first = await box.run("apply", "plan.ndjson", ...flags, "--concurrency", "1");
    expect(first.code).toBe(8);
    expect(lastLine(first.stdout)).toMatch(
      new RegExp(
        `^Apply stopped by --max-${limit}\\. .*, 0 failed, ${COUNT - done} not started \\(4\\.0 KB\\)\\. Run it again to go on\\.$`,
      ),
    );
    expect(first.stderr).toContain(`--max-${limit} is reached`);
    expect(Object.keys(box.tree("nas"))).toHaveLength(done);
    const second = await box.runWith(later(1), "apply", "plan.ndjson", ...flags, "--json", "-q");
    expect(second.code).toBe(8);
    expect(JSON.parse(lastLine(second.stdout))).toMatchObject({
      ...{ type: "result", status: "budget", exit: 8, remaining: COUNT - 2 * done, remaining_bytes: 2000 },
      budget: { limit, next_bytes: 1000, fits: true },
    });
    expect(second.stdout).toContain(`{"type":"budget","limit":"${limit}"}`);
    expect(await box.runWith(later(2), "apply", "plan.ndjson", ...flags)).toMatchObject({ code: 0 });
    expect(Object.keys(box.tree("nas"))).toHaveLength(COUNT);
    expect(await box.run("apply", "plan.ndjson")).toMatchObject({ code: 5 });
    expect((await box.run("plan", "-q")).stdout).toContain("No changes.");
    expect((await runsOf(box)).map(({ status }) => status)).toEqual(["complete", "budget", "budget"]);
  });

  it("of a new plan each time gets to the end too, and one without room for the next file says so", async () => {
    const box = await adopted();
    const none = await box.run("apply", "--auto-approve", "--max-bytes", "999");
    expect(none.code).toBe(8);
    expect(lastLine(none.stdout)).toMatch(/The next file takes 1\.0 KB: raise --max-bytes to go on\.$/);
    expect(box.tree("nas")).toEqual({});
    const codes: (number | null)[] = [];
    while (codes.at(-1) !== 0 && codes.length < 9)
      codes.push((await box.run("apply", "--auto-approve", "--max-actions", "4")).code);
    expect(codes).toEqual([8, 0]);
  });

  it.each([
    { args: ["--max-bytes", "5M"], says: "ambiguous" },
    { args: ["--max-bytes", "0"], says: "nothing could be done within 0" },
    { args: ["--max-duration", "5m"], says: "ambiguous" },
    { args: ["--max-actions", "0"], says: "--max-actions" },
  ])("$args is wrong usage, before anything is done", async ({ args, says }) => {
    const box = sandbox({ "storage.yaml": CONFIG("{}"), ...FILES });
    const { code, stderr } = await box.run("apply", "--auto-approve", ...args);
    expect(code).toBe(64);
    expect(stderr).toContain(says);
    expect(existsSync(join(box.dir, ".stowage"))).toBe(false);
  });
});

describe("SIGTERM and SIGINT (exit 130)", () => {
  it.each<{ signals: NodeJS.Signals[] }>([
    { signals: ["SIGTERM"] },
    { signals: ["SIGINT", "SIGTERM"] },
    { signals: ["SIGTERM", "SIGTERM", "SIGTERM"] },
  ])("$signals: the journal is whole, nothing is lost, and the next run goes on", async ({ signals }) => {
    const box = await adopted("{}", big);
    let sent = 0;
    const stopped = await box.runWith(
      {
        onOutput(text, kill) {
          if (!text.includes('"outcome":"moved"') || sent > 0) return;
          for (const signal of signals) setTimeout(() => kill(signal), 15 * sent++);
        },
      },
      ...["apply", "plan.ndjson", "--concurrency", "2", "--json"],
    );
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toContain("Interrupted: finishing these files");
    const [run] = await runsOf(box);
    if (signals.length === 1) {
      expect(JSON.parse(lastLine(stopped.stdout))).toMatchObject({
        type: "result",
        status: "interrupted",
        failed: 0,
        exit: 130,
      });
      expect(run?.status).toBe("interrupted");
    }
    expect(await box.run("history", "--verify")).toMatchObject({ code: 0 });
    expect(new Set([...Object.values(box.tree("library")), ...Object.values(box.tree("nas"))]).size).toBe(16);
    expect(await box.run("apply", "plan.ndjson", "-q")).toMatchObject({ code: 0 });
    expect([Object.keys(box.tree("library")).length, Object.keys(box.tree("nas")).length]).toEqual([0, 16]);
    expect(readdirSync(join(box.dir, ".stowage")).filter((name) => name.startsWith("lock"))).toEqual([]);
  });
});

describe("SIGTERM before anything is under way", () => {
  it("ends with 130, not by the signal", async () => {
    const box = await adopted();
    const plan = join(box.dir, "plan.fifo");
    execFileSync("mkfifo", [plan]);
    const child = spawn(process.execPath, [BIN, "apply", plan], { cwd: box.dir, stdio: "ignore" });
    const ended = once(child, "exit");
    // Who opens it for writing waits until it is being read.
    const writing = await open(plan, "w");
    child.kill("SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 200));
    await writing.close();
    expect(await ended).toEqual([130, null]);
  });
});

describe("history --verify", () => {
  it("passes journals as they were written, and tells the file and line of those that are not (exit 6)", async () => {
    const box = await adopted();
    await box.run("apply", "plan.ndjson", "--max-actions", "3");
    await box.runWith(later(1), "apply", "plan.ndjson");
    const good = await box.run("history", "--verify");
    expect(good.code).toBe(0);
    expect(lastLine(good.stdout)).toMatch(/^Checked 2 journals, \d+ lines: all as they were written\.$/);
    const [second, first] = await runsOf(box);
    const file = journalOf(box, first!.run);
    const text = readFileSync(file, "utf8");

    writeFileSync(file, text.replace('"outcome":"copied"', '"outcome":"failed"'));
    const changed = await box.run("history", "--verify");
    expect(changed.code).toBe(6);
    expect(changed.stdout).toMatch(new RegExp(`^! ${file}:\\d+: the line was changed$`, "m"));
    expect(lastLine(changed.stdout)).toMatch(/1 damaged\.$/);
    expect(await box.run("history", "--verify", second!.run)).toMatchObject({ code: 0 });

    const lines = text.trimEnd().split("\n");
    writeFileSync(file, `${lines.slice(0, -1).join("\n")}\n`);
    const cut = await box.run("history", "--verify", "--json");
    expect(cut.code).toBe(6);
    expect(JSON.parse(cut.stdout).runs[0]).toMatchObject({
      run: first!.run,
      damage: { line: lines.length, reason: expect.stringContaining(second!.run) },
    });

    truncateSync(journalOf(box, second!.run), 300);
    writeFileSync(file, text);
    const torn = await box.run("history", "--verify");
    expect(torn).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /the last line is cut off: .*\n.* 1 without an end, the rest as they were written\.\n$/,
      ),
    });
    expect(await box.run("history", "--verify", "never")).toMatchObject({ code: 1 });
  });

  it("I7: a journal that is damaged is a warning, and plan, apply, gc, unlock and history go on", async () => {
    const box = await adopted();
    await box.run("apply", "plan.ndjson", "--max-actions", "1", "--concurrency", "1");
    const [first] = await runsOf(box);
    const file = journalOf(box, first!.run);
    writeFileSync(file, readFileSync(file, "utf8").replace(/"plan_id":"./, '"plan_id":"X'));
    rmSync(join(box.dir, ".stowage/catalog.duckdb"));
    const plan = await box.run("plan", "-o", "again.ndjson", "-q");
    expect(plan).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/Warning: the journal of run .* is damaged from line 1 on/),
    });
    expect(plan.stderr.match(/Warning: the journal/g)).toHaveLength(1);
    const applied = await box.run("apply", "again.ndjson");
    expect(applied).toMatchObject({ code: 0, stderr: expect.stringContaining("is damaged from line 1 on") });
    expect(Object.keys(box.tree("nas"))).toHaveLength(COUNT);
    expect(await box.run("gc", "-q")).toMatchObject({ code: 0 });
    expect(await box.run("unlock")).toMatchObject({ code: 0, stdout: "There is no lock.\n" });
    expect(await box.run("history")).toMatchObject({ code: 6, stdout: expect.stringContaining("damaged") });
    expect((await box.run("plan", "-q")).stdout).toContain("No changes.");
  });
});

describe("settings.journal", () => {
  it("leaves a copy of each journal, which a machine that has none reads: history, --from and the UUIDs (S14)", async () => {
    const box = await adopted("{ journal: hub }");
    await box.run("apply", "plan.ndjson", "--max-actions", "2");
    await box.runWith(later(1), "apply", "plan.ndjson");
    const runs = await runsOf(box);
    expect(JSON.parse((await box.run("history", "--from", "hub", "--json")).stdout).runs).toEqual(runs);
    expect(readdirSync(join(box.dir, "hub/.stowage-journal")).sort()).toEqual(runs.map(({ run }) => run).sort());
    rmSync(join(box.dir, ".stowage"), { recursive: true });
    expect(await runsOf(box)).toEqual(runs);
    expect(await box.run("history", "--verify")).toMatchObject({ code: 0 });
    expect((await box.run("history", runs[0]!.run)).stdout).toContain("nas:");
    expect(await box.run("history", "--from", "nowhere")).toMatchObject({ code: 64 });
    // Another disk at the mount point, and a machine that has never seen the one that was there.
    rmSync(join(box.dir, "nas"), { recursive: true });
    mkdirSync(join(box.dir, "nas"));
    await localBackend("nas", join(box.dir, "nas")).writeMarker("99999999-9999-4999-8999-999999999999");
    expect((await box.run("plan")).stdout).toContain("suspect");
  });

  it("that is away is a warning, and the work is done", async () => {
    const box = await adopted("{ journal: hub }");
    rmSync(join(box.dir, "hub"), { recursive: true });
    const { code, stderr } = await box.run("apply", "plan.ndjson");
    expect([code, stderr.match(/Warning: the journal could not be copied to hub/g)]).toEqual([
      0,
      expect.objectContaining({ length: 1 }),
    ]);
    expect(existsSync(join(box.dir, "hub"))).toBe(false);
  });
});

describe("settings.lock", () => {
  it("keeps others from applying at the same time (exit 7), with who and where; unlock shows it", async () => {
    const box = await adopted("{ lock: hub }");
    const hub = localBackend("hub", join(box.dir, "hub"));
    const lease = await acquireSharedLock(hub, { run: "20260101T000000Z-0000000a", ttl: 800 });
    const refused = await box.run("apply", "plan.ndjson");
    expect(refused.code).toBe(7);
    expect(refused.stderr).toMatch(
      /The lock in hub is held \(run 20260101T000000Z-0000000a, pid \d+ on .*\): watching/,
    );
    expect(refused.stderr).toMatch(/Error: the lock in hub is held \(run 20260101T000000Z-0000000a, pid \d+ on/);
    expect(box.tree("nas")).toEqual({});
    const shown = await box.run("unlock");
    expect(shown.code).toBe(7);
    expect(shown.stderr).toMatch(
      /^hub: run 20260101T000000Z-0000000a, pid \d+ on .*, since .*; last heartbeat .* by its clock\.$/m,
    );
    const forced = await box.run("unlock", "--force", "--json");
    expect(JSON.parse(forced.stdout)).toMatchObject({
      ...{ unlocked: false, holder: null },
      shared: { location: "hub", unlocked: true, holder: { run: "20260101T000000Z-0000000a", fence: 1 } },
    });
    await new Promise((resolve) => setTimeout(resolve, 900));
    await expect(lease.require()).rejects.toMatchObject({ code: "LOCK_LOST" });
    expect(await box.run("apply", "plan.ndjson")).toMatchObject({ code: 0 });
    expect(await box.run("unlock")).toMatchObject({ code: 0, stdout: "There is no lock.\n" });
    expect(Object.keys(box.tree("hub"))).toEqual([]);
    expect((await box.run("plan", "-q")).stdout).toContain("No changes.");
  });

  it("whose location is away keeps nobody from removing the lock of this machine by force", async () => {
    const box = await adopted("{ lock: hub }");
    writeFileSync(join(box.dir, ".stowage/lock"), `${JSON.stringify({ ...myself(), host: "another", since: 0 })}\n`);
    rmSync(join(box.dir, "hub"), { recursive: true });
    expect((await box.run("unlock")).code).not.toBe(0);
    const forced = await box.run("unlock", "--force");
    expect(forced).toMatchObject({ code: 0, stdout: expect.stringContaining("Removed the lock of pid") });
    expect(forced.stderr).toContain("Warning: the lock in hub stays as it is");
    expect(existsSync(join(box.dir, ".stowage/lock"))).toBe(false);
  });

  it("is said in validate when it names nothing that could hold it", async () => {
    const box = sandbox({ "storage.yaml": CONFIG("{ lock: hup }") });
    const { code, stdout, stderr } = await box.run("validate");
    expect(code).toBe(1);
    expect(stdout + stderr).toContain('there is no location "hup"');
  });
});

it("--help tells what stops an apply", async () => {
  const box = sandbox({});
  const { stdout } = await box.run("apply", "--help");
  for (const word of ["--max-bytes=SIZE", "--max-duration=DURATION", "--max-actions=N", "SIGTERM", "8 "])
    expect(stdout).toContain(word);
});
