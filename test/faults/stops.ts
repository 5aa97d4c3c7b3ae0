import { spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Plan } from "../../src/plan/plan.js";
import { CHILD, type Disturbance } from "./kit.js";
import { disturbing, type Failpoint } from "./shim.js";
import { NAMES, NO_LINKS } from "./world.js";

/**
 * Runs the plans and sweeps in a process that stops itself at the failpoints that `at` names; `onStop` looks at the world meanwhile,
 * and says whether it is to go on or to be killed there. @returns its exit code, null when it was killed
 */
export async function runStopping(
  where: { base: string; beside: string },
  plans: readonly Plan[],
  { shim, at, together }: Disturbance,
  onStop: (failpoint: Failpoint) => Promise<"go on" | "kill">,
): Promise<number | null> {
  const files = plans.map((plan, index) => {
    const file = join(where.beside, `plan.${index}`);
    writeFileSync(file, JSON.stringify(plan));
    return file;
  });
  const order = {
    root: where.base,
    names: NAMES,
    noLinks: NO_LINKS,
    state: join(where.base, "state"),
    gc: true,
    together,
  };
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(process.execPath, [CHILD, JSON.stringify({ ...order, plans: files })], {
    env: { PATH, HOME, ...disturbing(shim, { base: where.base, log: "/dev/null", at }), FAULT_FD: "3" },
    stdio: ["ignore", "ignore", "inherit", "pipe"],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  try {
    for await (const text of child.stdio[3] as Readable) {
      const [, name = "", number] = /^! (\S+) (\d+) /.exec(String(text)) ?? [];
      await stopped(child.pid ?? 0);
      if ((await onStop({ name, number: Number(number), path: "" })) === "kill") child.kill("SIGKILL");
      else child.kill("SIGCONT");
    }
    return await ended;
  } finally {
    child.kill("SIGKILL");
  }
}

/** All threads stand still. @throws when the process has ended instead */
async function stopped(pid: number): Promise<void> {
  for (let attempt = 0; attempt < 10_000; attempt++) {
    const threads = inProc(() => readdirSync(`/proc/${pid}/task`)) ?? [];
    const main = stateOf(pid, String(pid));
    if (main === undefined || /[ZX]/.test(main)) throw new Error(`process ${pid} has ended where it was to stop`);
    if (main === "T" && threads.every((thread) => STANDS.test(stateOf(pid, thread) ?? "X"))) return;
    await sleep(1);
  }
  throw new Error(`process ${pid} does not stop`);
}

/** Stopped, or over. */
const STANDS = /^[TZX]$/;

/** undefined for a thread that has ended meanwhile. */
const stateOf = (pid: number, thread: string): string | undefined => {
  const stat = inProc(() => readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8"));
  return stat?.charAt(stat.lastIndexOf(")") + 2);
};

/** undefined where what is read about has ended. */
function inProc<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
