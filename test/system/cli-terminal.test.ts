import { spawn, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { myself } from "../../src/backend/process.js";
import { BIN, NOW, type Sandbox, sandbox } from "./cli-run.js";

const CONFIG = `version: 1
locations:
  - { name: primary, type: local, path: ./library, priority: 100, purpose: [inbox, organized] }
  - { name: nas, type: local, path: ./nas, priority: 50, purpose: [backup] }
rules:
  - { name: everything, match: {}, action: copy, destination: nas }
`;
const FILES = {
  "storage.yaml": CONFIG,
  "library/a.jpg": "photo a",
  [`library/${"a long folder name/".repeat(6)}b.jpg`]: "photo b",
};

/** util-linux's `script` gives a command a terminal of its own. */
const hasScript = spawnSync("script", ["--version"]).stdout?.toString().includes("util-linux") ?? false;

/** Runs a command line on an 80-column terminal, typing `answer` when it asks. */
function onTerminal(
  box: Sandbox,
  args: string,
  answer?: string,
  now = NOW,
): Promise<{ code: number | null; screen: string }> {
  const command = `stty cols 80 rows 40; exec "${process.execPath}" "${BIN}" ${args}`;
  const child = spawn("script", ["-qec", command, "/dev/null"], {
    cwd: box.dir,
    env: {
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      TERM: "xterm-256color",
      STOWAGE_NOW: now,
      SHELL: "/bin/sh",
    },
  });
  let screen = "";
  let answered = false;
  child.stdout.on("data", (chunk) => {
    screen += chunk;
    if (answered || answer === undefined || !screen.includes("is accepted: ")) return;
    answered = true;
    child.stdin.write(answer);
  });
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, screen })));
}

describe("on a terminal", () => {
  beforeEach((context) => context.skip(!hasScript, "there is no `script` of util-linux here to make a terminal with"));

  async function adopted(): Promise<Sandbox> {
    const box = sandbox(FILES);
    expect(await box.run("init", "--create", "-q")).toMatchObject({ code: 0 });
    return box;
  }

  it("apply shows the plan in colour, asks, and applies on yes", async () => {
    const box = await adopted();
    const { code, screen } = await onTerminal(box, "apply", "yes\r");
    expect(code).toBe(0);
    expect(screen).toContain("\u001b[32m+\u001b[39m a.jpg");
    expect(screen).toContain("Only 'yes' is accepted: ");
    expect(screen).toContain("Apply complete! 2 copied, 0 moved, 0 deleted, 0 verified, 0 failed.");
    expect(Object.keys(box.tree("nas"))).toHaveLength(2);
    // Progress is drawn in place, and the cursor is given back.
    expect(screen).toContain("Applying");
    expect(screen.lastIndexOf("\u001b[?25h")).toBeGreaterThan(screen.lastIndexOf("\u001b[?25l"));
  });

  it("unlock shows who holds the lock, asks, and removes it on yes only", async () => {
    const box = await adopted();
    const lock = join(box.dir, ".stowage/lock");
    writeFileSync(lock, `${JSON.stringify({ ...myself(), pid: 9_999_999, start: "1", since: Date.parse(NOW) })}\n`);
    const kept = await onTerminal(box, "unlock", "no\r");
    expect(kept.screen).toContain("pid 9999999 on ");
    expect([kept.code, kept.screen, existsSync(lock)]).toEqual([
      1,
      expect.stringContaining("nothing was removed"),
      true,
    ]);
    const removed = await onTerminal(box, "unlock", "yes\r");
    expect([removed.code, existsSync(lock)]).toEqual([0, false]);
    expect(removed.screen).toContain("Removed the lock of pid 9999999");
  });

  it.each([
    { name: "no", answer: "no\r", code: 1, says: "nothing was changed" },
    { name: "y", answer: "y\r", code: 1, says: "nothing was changed" },
    { name: "the end of input", answer: "\u0004", code: 1, says: "nothing was changed" },
    { name: "Ctrl-C", answer: "\u0003", code: 130, says: "interrupted" },
  ])("apply does nothing on $name", async ({ answer, code, says }) => {
    const box = await adopted();
    const ended = await onTerminal(box, "apply", answer);
    expect(ended.code).toBe(code);
    expect(ended.screen).toContain(says);
    expect(box.tree("nas")).toEqual({});
  });

  it("cuts long names in the middle to 80 columns, and not with -v", async () => {
    const box = await adopted();
    const wide = (screen: string) =>
      screen
        .replaceAll(/\u001b\[[\d;?]*[A-Za-z]/g, "")
        .split(/\r?\n/)
        .filter((line) => line.includes("b.jpg") && line.length > 80);
    const { screen } = await onTerminal(box, "plan --no-progress");
    expect(screen).toMatch(/\+.* a long folder name.*….*b\.jpg/);
    expect(wide(screen)).toEqual([]);
    expect(wide((await onTerminal(box, "plan --no-progress -v")).screen)).toHaveLength(1);
  });

  it("gc asks before it deletes for good", async () => {
    const box = sandbox({
      ...FILES,
      "storage.yaml": CONFIG.replace(
        "rules:",
        "rules:\n  - { name: x, match: { name: a.jpg }, action: delete, allow_last_copy: true }",
      ),
    });
    await box.run("init", "--create", "-q");
    await box.run("apply", "--auto-approve", "-q");
    const later = new Date(Date.parse(NOW) + 400 * 86_400_000).toISOString();
    const no = await onTerminal(box, "gc", "no\r", later);
    expect(no.code).toBe(1);
    expect(no.screen).toContain("- primary:a.jpg");
    expect(no.screen).toContain("Nothing was deleted.");
    const yes = await onTerminal(box, "gc", "yes\r", later);
    expect(yes.code).toBe(0);
    expect(yes.screen).toContain("Deleted 1 file for good, 7 B.");
    expect((await onTerminal(box, "gc", undefined, later)).screen).toContain("Deleted 0 files for good, 0 B.");
  });
});
