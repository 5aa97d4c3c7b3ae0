import { setTimeout as sleep } from "node:timers/promises";
import type { Register } from "../backend/shared.js";
import { StowageError } from "../lib/error.js";
import { holderOf, noteText, type SharedNote, type Standing, standingOf } from "./lock-note.js";

/** A lock that has to be renewed: others take it over when its holder does not. */
export interface Lease {
  /** The number of this holder; every later one has a higher one. */
  readonly fence: number;
  /** Why it is not held any more, once that is known. */
  lost(): string | undefined;
  /** Makes sure that the lock was renewed a moment ago. @throws `LOCK_LOST` when it is not ours any more, or may not be */
  require(): Promise<void>;
  /** Gives it back if it is still ours. Never fails: what was not given back is taken over. */
  release(): Promise<void>;
}

export interface Clocks {
  /** Milliseconds that only go up. */
  steady?: () => number;
  /** The time of the day, for the heartbeat that people read, and because a machine that sleeps stops the steady clock. */
  wall?: () => number;
}

/** Keeps a lock that was just taken: `note` was written, has the `token`, and the request for it was sent at `taken`. */
export function keepLease(
  location: string,
  register: Register,
  { note, token, taken }: { note: SharedNote; token: string; taken: Moment },
  { steady, wall }: Required<Clocks>,
): Lease {
  const { ttl, fence, nonce } = note;
  const moment = (): Moment => ({ steady: steady(), wall: wall() });
  let current = { note, token };
  let renewed = taken;
  let lost: string | undefined;
  let released = false;
  let renewing: Promise<void> | undefined;

  const age = (): number => {
    const now = moment();
    return Math.max(now.steady - renewed.steady, Math.abs(now.wall - renewed.wall));
  };
  /** What became of a heartbeat without a plain answer: the lock is ours as long as it is our name that stands there. */
  const settle = async (began: Moment, sent: SharedNote): Promise<void> => {
    const found = await standingOf(register);
    if (found.note?.nonce !== nonce || "free" in found.note || found.token === undefined) {
      lost = `it was taken over${byWhom(found)}`;
      return;
    }
    current = { note: found.note, token: found.token };
    if (found.note.beat === sent.beat) renewed = began;
  };
  const renew = async (): Promise<void> => {
    const began = moment();
    const next = { ...current.note, at: began.wall, beat: current.note.beat + 1 };
    try {
      const written = await register.write(noteText(next), current.token);
      if (written === undefined) return await settle(began, next);
      current = { note: next, token: written };
      renewed = began;
    } catch {
      // Where the storage does not answer the lease runs out by itself, unless the next heartbeat comes through.
      await settle(began, next).catch(() => undefined);
    }
  };
  const renewOnce = async (): Promise<void> => {
    renewing ??= renew().finally(() => {
      renewing = undefined;
    });
    await renewing;
  };
  const timer = setInterval(() => {
    if (lost === undefined) void renewOnce();
  }, ttl / 4);
  timer.unref();

  return {
    fence,
    lost: () => lost,
    async require() {
      if (lost === undefined && age() >= ttl / 2)
        await Promise.race([renewOnce(), sleep(ttl, undefined, { ref: false })]);
      if (lost === undefined && !released && age() < ttl) return;
      const why = lost ?? "it could not be renewed in time";
      throw new StowageError("LOCK_LOST", `nothing is removed any more without the lock in ${location}: ${why}`, {
        hint: "Wait until the other run has finished, then plan again.",
      });
    },
    async release() {
      clearInterval(timer);
      released = true;
      await Promise.race([renewing, sleep(ttl, undefined, { ref: false })]);
      if (lost !== undefined) return;
      const free = noteText({ free: true, fence, nonce });
      try {
        await register.write(free, current.token);
      } catch {
        // It runs out.
      }
    },
  };
}

export interface Moment {
  steady: number;
  wall: number;
}

function byWhom(found: Standing): string {
  const holder = holderOf(found);
  return holder ? ` by run ${holder.run}, pid ${holder.pid} on ${holder.host}` : "";
}
