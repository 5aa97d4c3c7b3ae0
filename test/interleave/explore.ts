import { crash, hash, type Machine, openStage, quiet, stage, type Turn, waits } from "./stage.js";

/** What is explored: machines that have begun, each waiting for its first turn. */
export interface Explored {
  /** All that is shared, as it is now, and all that the judgement of later states goes by. */
  key(): string;
  /** What must be true in every state, however it was reached. @throws when it is not */
  check(): void;
  /** Whether the machine may still change what is under this address. */
  changes(machine: Machine, address: string): boolean;
  /** What must be true when nobody has anything to do any more; may do what it likes. */
  done?(): Promise<void>;
  /** Begins what comes after a machine that was killed. */
  again?(killed: Machine): Promise<void>;
}

export interface Bounds {
  /** The time goes on, as far as anybody could notice. */
  timed?: { step: number };
  /** How many machines are killed. */
  crashes?: number;
  /** More states than this are an error: what was cut off is not explored. */
  limit: number;
}

export interface Exploration {
  states: number;
  /** Different orders of all calls, from the beginning to an end, that these states stand for. */
  interleavings: bigint;
  ends: number;
  /** Calls that were executed to see all that. */
  calls: number;
  /** The first state in which something does not hold, and how it was reached. */
  violation?: { error: unknown; trace: string[] };
}

interface Choice {
  what: string;
  take(): Promise<void>;
}

interface Node {
  state: number;
  taken: number;
  count: number;
}

/**
 * Goes through all orders in which the turns of all machines can come, the time can go on and machines can be killed. A state is what is shared and
 * what each machine was told, from which all that it will do follows: two orders that lead to the same state go on alike, so each state is gone on from once.
 */
export async function explore(open: () => Promise<Explored>, bounds: Bounds): Promise<Exploration> {
  const states = new Map<string, number>();
  const followers: number[][] = [];
  const path: Node[] = [];
  const found = { ends: 0, calls: 0 };
  let at = await begin(open, bounds);
  for (;;) {
    const key = keyOf(at);
    const before = path.at(-1);
    const known = states.get(key);
    const state = known ?? states.size;
    if (before) followers[before.state]?.push(state);
    const choices = known === undefined ? choicesOf(at) : [];
    try {
      at.world.check();
      if (known === undefined && choices.length === 0) await end(at, found);
    } catch (error) {
      return { ...found, states: states.size, interleavings: 0n, violation: { error, trace: at.trace } };
    }
    states.set(key, state);
    followers[state] ??= [];
    if (states.size > bounds.limit) throw new Error(`more than ${bounds.limit} states`);
    if (choices.length > 0) path.push({ state, taken: -1, count: choices.length });
    while (path.length > 0 && path.at(-1)!.taken + 1 === path.at(-1)!.count) path.pop();
    const last = path.at(-1);
    if (!last) break;
    // Where it stands is where it goes on, unless that is known already or is an end.
    if (last.state !== state || known !== undefined) at = await replay(open, bounds, path, found);
    last.taken += 1;
    await step(at, last.taken);
    found.calls += 1;
  }
  return { ...found, states: states.size, interleavings: paths(followers) };
}

/** Nobody has anything to do any more. */
async function end({ world }: Standing, found: { ends: number }): Promise<void> {
  found.ends += 1;
  stage.free = true;
  await world.done?.();
}

interface Standing {
  world: Explored;
  bounds: Bounds;
  crashes: number;
  trace: string[];
}

async function begin(open: () => Promise<Explored>, bounds: Bounds): Promise<Standing> {
  openStage();
  const world = await open();
  await quiet();
  return { world, bounds, crashes: bounds.crashes ?? 0, trace: [] };
}

async function replay(
  open: () => Promise<Explored>,
  bounds: Bounds,
  path: readonly Node[],
  found: { calls: number },
): Promise<Standing> {
  const at = await begin(open, bounds);
  for (const { taken } of path.slice(0, -1)) await step(at, taken);
  found.calls += path.length - 1;
  return at;
}

async function step(at: Standing, index: number): Promise<void> {
  const choice = choicesOf(at)[index];
  if (!choice) throw new Error("the same choices led to another state: something is left to chance");
  at.trace.push(choice.what);
  await choice.take();
  await quiet();
  stage.current = undefined;
}

function choicesOf(at: Standing): Choice[] {
  const alive = stage.machines.filter((machine) => machine.alive && waits(machine).length > 0);
  const [lone] = alive.flatMap((machine) =>
    waits(machine)
      .filter((turn) => commutes(at, machine, turn))
      .map((turn) => goOn(machine, turn)),
  );
  if (lone) return [lone];
  const choices = alive.flatMap((machine) =>
    waits(machine)
      .filter(({ due }) => due <= stage.now)
      .map((turn) => goOn(machine, turn)),
  );
  if (at.bounds.timed && alive.some(notices)) choices.push({ what: "time goes on", take: async () => pause(at) });
  if (at.crashes > 0) choices.push(...alive.map((machine) => kill(at, machine)));
  return choices;
}

/**
 * A look at what nobody else can change any more tells the same whatever comes before it, and changes nothing: it needs not be tried later too. Not
 * so where the time matters, which is asked for without a turn.
 */
const commutes = ({ world, bounds }: Standing, machine: Machine, { reads }: Turn): boolean =>
  reads !== undefined &&
  !bounds.timed &&
  !stage.machines.some(
    (other) => other !== machine && other.alive && other.turns.length > 0 && world.changes(other, reads),
  );

const goOn = (machine: Machine, turn: Turn): Choice => ({
  what: `${machine.name}: ${turn.what}`,
  take: async () => {
    machine.turns.splice(machine.turns.indexOf(turn), 1);
    stage.current = machine;
    turn.go();
  },
});

function pause({ bounds }: Standing): void {
  stage.now += bounds.timed?.step ?? 0;
}

const kill = (at: Standing, machine: Machine): Choice => ({
  what: `${machine.name} is killed`,
  take: async () => {
    at.crashes -= 1;
    crash(machine);
    await at.world.again?.(machine);
  },
});

/** In quarters of a lease's time: a lock that stood still for so long is taken over, and a lease is over before. */
const LONG_AGO = 5;

/** Whether it makes a difference to the machine that the time goes on. */
const notices = (machine: Machine): boolean =>
  [machine.began, machine.renewed].some((since) => since !== undefined && stage.now - since < LONG_AGO) ||
  waits(machine).some(({ due }) => due > stage.now);

/** How long ago it was, as far as that matters. */
const ago = (time: number | undefined): string =>
  time === undefined ? "" : String(Math.min(stage.now - time, LONG_AGO));

function keyOf(at: Standing): string {
  const machines = stage.machines.map((machine) => {
    const { name, alive, seen, began, renewed } = machine;
    if (!alive) return name;
    const turns = waits(machine).map(({ what, due, at: as }) => `${what}@${Math.max(due - stage.now, 0)} ${ago(as)}`);
    return [name, seen, renewed === undefined ? `w${ago(began)}` : ago(renewed), ...turns.sort()].join(" ");
  });
  return hash([at.crashes, at.world.key(), ...machines].join("\n"));
}

/** The number of ways from the first state to an end. No state leads back to itself: what was told is never forgotten. */
function paths(followers: readonly number[][]): bigint {
  const ways = new Map<number, bigint>();
  const open = [0];
  while (open.length > 0) {
    const state = open.at(-1)!;
    const next = followers[state]!;
    const missing = next.filter((each) => !ways.has(each));
    if (missing.length > 0) open.push(...missing);
    else {
      ways.set(state, next.length === 0 ? 1n : next.reduce((sum, each) => sum + ways.get(each)!, 0n));
      open.pop();
    }
  }
  return ways.get(0) ?? 0n;
}
