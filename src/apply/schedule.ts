import type { Action } from "../plan/plan.js";

/**
 * Runs actions in their order, `concurrency` at a time, each after those it depends on. `body` gets the ids of
 * dependencies that did not succeed, if any. Starts nothing more once `stopped` or once a body has thrown, lets what runs
 * finish, and returns the actions that were not started.
 */
export async function schedule(
  actions: readonly Action[],
  options: { concurrency: number; stopped: () => boolean },
  body: (action: Action, unmet: string[]) => Promise<boolean>,
): Promise<Action[]> {
  const waiting = new Map<string, number>();
  const dependants = new Map<string, Action[]>();
  const unmet = new Map<string, string[]>();
  const known = new Set(actions.map(({ id }) => id));
  for (const action of actions) {
    const needs = [...new Set(action.depends_on)].filter((id) => known.has(id));
    waiting.set(action.id, needs.length);
    // What is not in the plan can not have succeeded.
    unmet.set(
      action.id,
      action.depends_on.filter((id) => !known.has(id)),
    );
    for (const id of needs) dependants.set(id, [...(dependants.get(id) ?? []), action]);
  }
  const ready = readyQueue(actions.filter(({ id }) => waiting.get(id) === 0));
  const left = new Set(actions);
  let failure: { error: unknown } | undefined;
  const running = new Set<Promise<void>>();

  const finish = (action: Action, succeeded: boolean): void => {
    for (const dependant of dependants.get(action.id) ?? []) {
      if (!succeeded) unmet.get(dependant.id)?.push(action.id);
      const count = (waiting.get(dependant.id) ?? 1) - 1;
      waiting.set(dependant.id, count);
      if (count === 0) ready.add(dependant);
    }
  };
  const start = (action: Action): void => {
    left.delete(action);
    const run: Promise<void> = body(action, unmet.get(action.id) ?? [])
      .then((succeeded) => finish(action, succeeded))
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => running.delete(run));
    running.add(run);
  };

  for (;;) {
    while (running.size < Math.max(1, options.concurrency) && !failure && !options.stopped()) {
      const action = ready.take();
      if (!action) break;
      start(action);
    }
    if (running.size === 0) break;
    await Promise.race(running);
  }
  if (failure) throw failure.error;
  return [...left];
}

/** Those that became ready later go first: they finish what was begun. */
function readyQueue(initial: readonly Action[]) {
  let next = 0;
  const later: Action[] = [];
  return {
    add: (action: Action) => void later.push(action),
    take: (): Action | undefined => later.shift() ?? initial[next++],
  };
}
