import type { Action } from "../plan/plan.js";
import type { Budget } from "./budget.js";
import type { Gate } from "./gate.js";

/** What became of an action: what depends on it can go on, or not, or it has to be started `again`. */
export type Ended = boolean | "again";

export interface ScheduleOptions {
  concurrency: number;
  /** What an action takes of one of the `concurrency` places, which is not the whole where it mostly waits; unset: 1. */
  share?: (action: Action) => number;
  stopped: () => boolean;
  /** Called, more than once, when it is `stopped` and all that still runs waits for locations that rest. */
  abandon?: () => void;
  gate: Pick<Gate, "awake" | "heldBy" | "standing">;
  budget?: Pick<Budget, "admit" | "over"> | undefined;
}

/**
 * Runs actions in their order, `concurrency` at a time, each after those it depends on; those that the gate holds are
 * passed over until it lets them go. `body` gets the ids of dependencies that did not succeed, if any. Starts nothing
 * more once `stopped`, over its budget or once a body has thrown, lets what runs finish, waits for locations that rest but not for
 * windows to open, and returns the actions that were not started.
 */
export async function schedule(
  actions: readonly Action[],
  options: ScheduleOptions,
  body: (action: Action, unmet: string[]) => Promise<Ended>,
): Promise<Action[]> {
  const order = openOrder(actions);
  const queue = openQueue(order.initial, options.gate);
  const left = new Set(actions);
  const running = new Map<Action, number>();
  const { concurrency } = options;
  // Who wants one at a time gets one at a time.
  const shareOf = (action: Action): number => (concurrency > 1 ? (options.share?.(action) ?? 1) : 1);
  let taken = 0;
  let failure: { error: unknown } | undefined;
  let wake = (): void => undefined;
  /** The next one, while it does not fit into the budget. */
  let held: Action | undefined;

  const finish = (action: Action, ended: Ended): void => {
    if (ended === "again") left.add(action);
    for (const next of ended === "again" ? [action] : order.finish(action, ended)) queue.add(next);
  };
  const start = (action: Action): void => {
    left.delete(action);
    const share = shareOf(action);
    running.set(action, share);
    taken += share;
    void body(action, order.unmet(action))
      .then((ended) => finish(action, ended))
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => {
        running.delete(action);
        taken -= share;
        wake();
      });
  };
  /** Those that only wait for a location that rests take nobody's place. */
  const busy = (): number => (options.gate.awake() ? taken : [...running].reduce(addWorking, 0));
  const onlyWaits = (): boolean => running.size > 0 && busy() === 0;
  const addWorking = (sum: number, [action, share]: [Action, number]): number =>
    rests(options.gate, options.gate.heldBy(action)) ? sum : sum + share;

  for (;;) {
    const goesOn = !failure && !options.stopped();
    if (options.stopped() && onlyWaits()) options.abandon?.();
    while (goesOn && busy() < Math.max(1, concurrency)) {
      const action: Action | undefined = held ?? queue.take();
      held = action && options.budget && options.budget.admit(action) !== "go" ? action : undefined;
      if (!action || held) break;
      start(action);
    }
    const pause = queue.pause();
    const over = !goesOn || options.budget?.over() !== undefined;
    if (running.size === 0 && (over || pause === undefined)) break;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => wake(), Math.min(pause ?? PULSE, PULSE));
      wake = () => resolve(clearTimeout(timer));
    });
  }
  if (failure) throw failure.error;
  return [...left];
}

/** Milliseconds after which it is looked again whether a location rests, a window opened or somebody wants to stop. */
const PULSE = 250;

const rests = (gate: Pick<Gate, "standing">, location: string | undefined): boolean =>
  location !== undefined && gate.standing(location).is === "rests";

/** Which action comes after which; nothing is held for those that depend on no other, which may be a million. */
function openOrder(actions: readonly Action[]) {
  const waiting = new Map<string, number>();
  const dependants = new Map<string, Action[]>();
  const unmet = new Map<string, string[]>();
  const dependent = actions.filter(({ depends_on }) => depends_on.length > 0);
  const known = new Set(dependent.length > 0 ? actions.map(({ id }) => id) : []);
  for (const action of dependent) {
    const needs = [...new Set(action.depends_on)].filter((id) => known.has(id));
    waiting.set(action.id, needs.length);
    // What is not in the plan can not have succeeded.
    const unknown = action.depends_on.filter((id) => !known.has(id));
    unmet.set(action.id, unknown);
    for (const id of needs) {
      const others = dependants.get(id);
      if (others) others.push(action);
      else dependants.set(id, [action]);
    }
  }
  return {
    initial: actions.filter(({ id }) => (waiting.get(id) ?? 0) === 0),
    unmet: ({ id }: Action): string[] => unmet.get(id) ?? [],
    /** The actions that can be started now because this one has ended. */
    finish(action: Action, succeeded: boolean): Action[] {
      return (dependants.get(action.id) ?? []).filter((dependant) => {
        if (!succeeded) unmet.get(dependant.id)!.push(action.id);
        const count = waiting.get(dependant.id)! - 1;
        waiting.set(dependant.id, count);
        return count === 0;
      });
    },
  };
}

/** Those that became ready later go first: they finish what was begun. */
function openQueue(initial: readonly Action[], gate: ScheduleOptions["gate"]) {
  let next = 0;
  let later: Action[] = [];
  let taken = 0;
  const parked = new Map<string, Action[]>();

  const release = (): void => {
    for (const [location, actions] of parked) {
      const { is } = gate.standing(location);
      if (is !== "free" && is !== "dead") continue;
      parked.delete(location);
      later = [...later.slice(taken), ...actions];
      taken = 0;
    }
  };
  const following = (): Action | undefined => (taken < later.length ? later[taken++] : initial[next++]);
  return {
    add: (action: Action) => void later.push(action),
    take(): Action | undefined {
      release();
      for (let action = following(); action; action = following()) {
        const location = gate.heldBy(action);
        if (location === undefined) return action;
        const others = parked.get(location);
        if (others) others.push(action);
        else parked.set(location, [action]);
      }
      return undefined;
    },
    /** Milliseconds until a location that is waited for may be there; undefined when none is worth waiting for. */
    pause(): number | undefined {
      const waits = [...parked.keys()].flatMap((location) => {
        const standing = gate.standing(location);
        return standing.is === "closed" ? [] : [standing.is === "rests" ? standing.ms : 0];
      });
      return waits.length === 0 ? undefined : Math.min(...waits);
    },
  };
}
