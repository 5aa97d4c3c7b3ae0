import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { StoreFeatures } from "../../src/backend/backend.js";
import type { S3Store } from "../../src/config/config.js";
import type { Plan } from "../../src/plan/plan.js";

const CHILD = join(import.meta.dirname, "../system/torture/machine-child.js");

export interface PlaceOrder {
  name: string;
  /** A directory; else a bucket. */
  root?: string;
  store?: S3Store;
  limits?: object;
  verdicts?: StoreFeatures;
}

export interface MachineOrder {
  plan: Plan;
  places: PlaceOrder[];
  state: string;
  /** Milliseconds that each change of a directory takes longer, but where the lock is. */
  slow?: number;
  /** Attempts after the first, at buckets. */
  retries?: number;
  requests?: object;
  lock?: { location: string; ttl: number };
}

export interface Line {
  type: string;
  action?: string;
  status?: string;
  exit?: number;
  code?: string;
  message?: string;
  codes?: string[];
}

export interface Machine {
  lines: Line[];
  child: ChildProcess;
  kill(signal: NodeJS.Signals): void;
  /** Returns when it has told this so many times, or is over. @returns false when it is over before */
  saw(type: string, times?: number): Promise<boolean>;
  /** Its last line; `killed` when it could not end by itself. */
  result(): Promise<Line>;
}

/** An apply on a machine of its own: another process with another state directory, and perhaps another network (`ip netns`). */
export function startMachine(order: MachineOrder, { file, netns }: { file: string; netns?: string }): Machine {
  writeFileSync(file, JSON.stringify(order));
  const command = [process.execPath, CHILD, file];
  const [program = "", ...args] = netns === undefined ? command : ["ip", "netns", "exec", netns, ...command];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const lines: Line[] = [];
  let [rest, over, wake]: [string, boolean, () => void] = ["", false, () => undefined];
  child.stdout.on("data", (chunk: Buffer) => {
    const texts = (rest + chunk.toString()).split("\n");
    rest = texts.pop() ?? "";
    lines.push(...texts.map((text) => JSON.parse(text) as Line));
    wake();
  });
  const ended = new Promise<void>((resolve) => {
    child.on("close", () => {
      over = true;
      wake();
      resolve();
    });
  });
  return {
    ...{ lines, child },
    kill: (signal) => void child.kill(signal),
    async saw(type, times = 1) {
      while (lines.filter((line) => line.type === type).length < times) {
        if (over) return false;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return true;
    },
    async result() {
      await ended;
      const last = lines.at(-1);
      return last?.type === "report" || last?.type === "error" ? last : { type: "killed" };
    },
  };
}
