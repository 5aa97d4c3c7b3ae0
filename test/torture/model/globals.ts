import { later, stage, turn, withdraw } from "./stage.js";

/** What the product's code gets in place of the globals of its process. */

type Timer = NonNullable<ReturnType<typeof later>> | undefined;

export const setTimeout = (body: () => void, delay: number): Timer => later("timer", body, delay);
export const clearTimeout = (timer: Timer): void => {
  if (timer) withdraw(timer);
};
export const setImmediate = (body: () => void): void => void later("request", body);
export const now = (): number => Number(stage.clock / 1_000_000n);
export const elapsed = (): number => Number(stage.clock - 1_700_000_000_000_000_000n) / 1e6;
export const random = (): number => stage.random.next();
export const pid = (): number => stage.current?.pid ?? 0;

/** Whether there is such a process on the caller's machine. */
export function signal(target: number): void {
  if (stage.actors.some((actor) => actor.alive && actor.pid === target)) return;
  throw Object.assign(new Error("ESRCH"), { code: "ESRCH" });
}

/** `node:timers/promises` */
export const sleep = async (delay: number): Promise<void> => await turn("sleep", delay);
