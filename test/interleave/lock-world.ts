import { acquireSharedLock } from "../../src/apply/lock-shared.js";
import { memoryBackend } from "../../src/backend/memory.js";
import { codeOf } from "../../src/lib/error.js";
import { type Defect, planted } from "./defects.js";
import type { Explored } from "./explore.js";
import { gatedRegister } from "./gated.js";
import { clock, enter, hash, learn, type Machine, pass, quiet, sleep, stage, timeless } from "./stage.js";

/** Machines that want one lock, and what each removes while it has it. */
export interface LockScript {
  /** How many removals each wants to make. */
  removals: number[];
  /** How often who waits looks at the lock; the last look is at the end of its time. */
  looks: number;
  defect?: Defect;
}

/** In the unit of the stage. */
export const TTL = 4;
/** For so long a holder is watched. */
const SPAN = 1.25 * TTL;
const UUID = "00000000-0000-4000-8000-000000000000";

interface World {
  script: LockScript;
  hub: ReturnType<typeof memoryBackend>;
  /** What stands in the lock. */
  note: string;
  /** All numbers that holders got, and how many removals of each came after the next one had the lock. */
  fences: number[];
  late: Map<number, number>;
  problems: string[];
}

export const lockWorld = (script: LockScript) => async (): Promise<Explored> => {
  const hub = memoryBackend("hub", UUID);
  const world: World = { script, hub, note: "", fences: [], late: new Map(), problems: [] };
  for (const [index, removals] of script.removals.entries()) await begin(world, enter(`m${index + 1}`), removals);
  return {
    key: () => hash([timeless(world.note), ...world.fences, JSON.stringify([...world.late])].join(" ")),
    check() {
      if (world.problems.length > 0) throw new Error(world.problems.join("; "));
    },
    changes: () => true,
  };
};

async function begin(world: World, machine: Machine, removals: number): Promise<void> {
  stage.current = machine;
  void work(world, machine, removals).catch((error: unknown) => {
    learn(machine, codeOf(error) ?? "");
    if (!["LOCKED", "LOCK_LOST"].includes(codeOf(error) ?? ""))
      world.problems.push(`${machine.name} ends with ${error}`);
  });
  await quiet();
  stage.current = undefined;
}

/** As a run does: it asks before it begins to remove a file, and as the last thing before the file is gone. */
async function work(world: World, machine: Machine, removals: number): Promise<void> {
  const product = planted(world.script.defect);
  const time = () => clock(machine);
  const register = gatedRegister(machine, world.hub.register!, (text) => {
    world.note = text;
  });
  const lease = product.lease(
    await acquireSharedLock(
      { ...world.hub, register },
      {
        ...{ run: machine.name, ttl: TTL, steady: product.steady(time, machine), wall: time },
        sleep: (ms) => sleep(machine, Math.max(ms, SPAN / world.script.looks)),
      },
    ),
  );
  const { fence } = lease;
  if (world.fences.includes(fence)) world.problems.push(`two holders have the number ${fence}`);
  world.fences.push(fence);
  const require = async () => {
    await lease.require();
    if (fenceOf(world) !== fence) world.problems.push(`holder ${fence} goes on while ${fenceOf(world)} has the lock`);
  };
  for (let removal = 0; removal < removals; removal++) {
    await require();
    await pass(machine, "puts aside");
    await require();
    await pass(machine, "removes");
    if (fenceOf(world) !== fence) noteLate(world, fence);
  }
  await lease.release();
}

/** A removal that was let go before the lock was lost may come after; no other one does. */
function noteLate({ late, problems }: World, fence: number): void {
  const count = (late.get(fence) ?? 0) + 1;
  late.set(fence, count);
  if (count > 1) problems.push(`holder ${fence} removes ${count} times after another has the lock`);
}

const fenceOf = ({ note }: World): number => Number(/"fence":(\d+)/.exec(note)?.[1] ?? 0);
