import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import type { Plan } from "../../src/plan/plan.js";
import { disturbing, readLog, type Shim } from "./shim.js";
import { NAMES, NO_LINKS } from "./world.js";

export const CHILD = join(import.meta.dirname, "child.js");

/** One step of a child: its end, or only its beginning. */
export interface Step {
  step: string;
  exit?: number;
  code?: string;
  message?: string;
}

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Disturbance {
  shim: Shim;
  /** `name number fault`. */
  at: string[];
  /** Threads write the small files, and one call makes all durable. */
  together?: boolean;
}

/** A folder for a world and what belongs to it, removed in the end. */
export async function inScratch<T>(body: (base: string, beside: string) => Promise<T>): Promise<T> {
  const scratch = realpathSync(mkdtempSync(join(tmpdir(), "stowage-faults-")));
  const [base, beside] = [join(scratch, "world"), join(scratch, "beside")];
  for (const folder of [base, beside]) mkdirSync(folder);
  try {
    return await body(base, beside);
  } finally {
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Milliseconds; what takes longer, also on a busy machine, does not end. */
const PATIENCE = 120_000;

/** Runs a program of Node to its end; its file calls below `base` are disturbed where that is asked for. */
export async function runNode(
  args: string[],
  where: { base: string; beside: string; env?: Record<string, string> },
  disturbance?: Disturbance,
): Promise<Ended & { log: ReturnType<typeof readLog> }> {
  const log = join(where.beside, `log.${Math.random()}`);
  writeFileSync(log, "");
  const { PATH = "", HOME = "" } = process.env;
  const faults = disturbance && disturbing(disturbance.shim, { base: where.base, log, at: disturbance.at });
  const child = spawn(process.execPath, args, {
    cwd: where.base,
    env: { PATH, HOME, ...where.env, ...faults },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended: Ended = { code: null, stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].on("data", (chunk) => {
      ended[name] += String(chunk);
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`does not end: ${args.slice(1).join(" ")}, with ${disturbance?.at.join(", ") || "no fault"}`));
    }, PATIENCE);
    child.on("error", reject);
    child.on("close", (ended) => {
      clearTimeout(timer);
      resolve(ended);
    });
  });
  return { ...ended, code, log: readLog(log) };
}

/** Applies the plans and sweeps, in a process of its own (child.js). */
export async function applyAll(
  where: { base: string; beside: string },
  plans: readonly Plan[],
  disturbance?: Disturbance,
): Promise<{ killed: boolean; steps: Step[]; ended: Ended; log: ReturnType<typeof readLog> }> {
  const files = plans.map((plan) => {
    const file = join(where.beside, `plan.${Math.random()}`);
    writeFileSync(file, JSON.stringify(plan));
    return file;
  });
  const order = {
    root: where.base,
    names: NAMES,
    noLinks: NO_LINKS,
    state: join(where.base, "state"),
    together: disturbance?.together,
  };
  const ended = await runNode([CHILD, JSON.stringify({ ...order, plans: files, gc: true })], where, disturbance);
  const steps = ended.stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Step);
  return { killed: ended.code === null, steps, ended, log: ended.log };
}

/** Every item, several at a time. */
export async function inParallel<T>(items: readonly T[], body: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const work = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await body(item);
  };
  await Promise.all(Array.from({ length: Math.min(4, Math.max(2, availableParallelism())) }, work));
}
