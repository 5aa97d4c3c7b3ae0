import { isAlive, type Process } from "../backend/process.js";
import type { Register } from "../backend/shared.js";
import { ExitCode, StowageError } from "../lib/error.js";

/** What stands in the register of a location whose lock is held. Times are those of the holder's clock, and only for people. */
export interface SharedNote extends Process {
  run: string;
  /** Milliseconds since the epoch: when the lock was taken, and the last heartbeat. */
  since: number;
  at: number;
  /** Milliseconds for which the holder may believe in its last heartbeat. */
  ttl: number;
  /** Goes up by one with each holder. */
  fence: number;
  beat: number;
}

/** What a holder leaves behind: the number goes on from there. */
interface FreeNote {
  free: true;
  fence: number;
  nonce: string;
}

/** Who holds the lock of a location. */
export interface SharedHolder extends SharedNote {
  /** Undefined: it is on another machine or in another container, so it can not be known from here. */
  alive: boolean | undefined;
}

/** The register as a lock: `note` is undefined for what can not be read as one. */
export interface Standing {
  token: string | undefined;
  note: SharedNote | FreeNote | undefined;
}

export async function standingOf(register: Register): Promise<Standing> {
  const there = await register.read();
  return { token: there?.token, note: there && parse(there.text) };
}

export const isFree = ({ token, note }: Standing): boolean =>
  token === undefined || (note !== undefined && "free" in note);

export const holderOf = ({ note }: Standing): SharedHolder | undefined =>
  note && !("free" in note) ? { ...note, alive: isAlive(note) } : undefined;

export const noteText = (note: SharedNote | FreeNote): string => `${JSON.stringify(note)}\n`;

/** Another program, or damage, may have written anything. */
function parse(text: string): Standing["note"] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const note = value as Record<string, unknown>;
  const has = (type: "number" | "string", ...keys: string[]) =>
    keys.every((key) => typeof note[key] === type && note[key] !== Number.POSITIVE_INFINITY);
  if (note["free"] === true && has("number", "fence") && has("string", "nonce")) return value as FreeNote;
  const whole =
    has("number", "fence", "beat", "since", "at", "ttl", "pid") &&
    has("string", "run", "host", "boot", "start", "nonce");
  return whole ? (value as SharedNote) : undefined;
}

/** `run 2025…, pid 4 on ci-3, since 2025-…` */
export const whoOf = (holder: SharedNote | undefined): string =>
  holder ? `run ${holder.run}, pid ${holder.pid} on ${holder.host}, since ${instant(holder.since)}` : "another run";

/** An error that says who holds the lock, and where. */
export function sharedLocked(location: string, found: Standing): StowageError {
  return new StowageError("LOCKED", `the lock in ${location} is held (${whoOf(holderOf(found))})`, {
    hint: "Wait until it has finished and run the command again; `stowage unlock` shows who holds it.",
    exit: ExitCode.locked,
  });
}

/** A note may hold any number. */
const instant = (ms: number): string => (Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : "an unknown time");
