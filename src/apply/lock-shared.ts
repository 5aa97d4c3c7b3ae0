import { setTimeout } from "node:timers/promises";
import type { Backend } from "../backend/backend.js";
import { myself } from "../backend/process.js";
import type { Register } from "../backend/shared.js";
import { codeOf, ExitCode, StowageError } from "../lib/error.js";
import { type Clocks, keepLease, type Lease } from "./lock-lease.js";
import {
  holderOf,
  isFree,
  noteText,
  type SharedHolder,
  type SharedNote,
  type Standing,
  sharedLocked,
  standingOf,
} from "./lock-note.js";

export interface SharedLockOptions extends Clocks {
  run: string;
  /** The UUID that the location must have; undefined where none is known. */
  uuid?: string | undefined;
  /** Milliseconds for which a holder may believe in its last heartbeat. */
  ttl?: number;
  signal?: AbortSignal | undefined;
  /** Waits; for tests. */
  sleep?: (ms: number) => Promise<void>;
  /** Told when somebody holds it, before it is watched for so many milliseconds. */
  onWatch?: (holder: SharedHolder | undefined, ms: number) => void;
}

const TTL = 60_000;
/** So much longer than its lease a holder has to stand still. */
const STANDSTILL = 1.25;
const LONGEST = 3_600_000;
const LOOKS = 20;

/**
 * Takes the lock that all machines with this location share. One that is held is taken over when its token stood still for
 * 1.25 × its ttl on the own clock; clocks are never compared. For order, not for safety (I7).
 * @throws `LOCKED` (exit 7) while the holder is alive, `LOCK_UNSUPPORTED`, `LOCATION_SUSPECT`, `INTERRUPTED` (130)
 */
export async function acquireSharedLock(backend: Backend, options: SharedLockOptions): Promise<Lease> {
  const { location } = backend;
  const register = await registerOf(backend, options.uuid);
  const { steady = () => performance.now(), wall = Date.now, ttl = TTL } = options;
  let found = await standingOf(register);
  if (!isFree(found)) found = await standstill(location, register, found, options);
  const taken = { steady: steady(), wall: wall() };
  const fence = found.token === undefined ? 1 : (found.note?.fence ?? taken.wall) + 1;
  const note: SharedNote = { ...myself(), run: options.run, since: taken.wall, at: taken.wall, ttl, fence, beat: 0 };
  const token = await take(register, note, found.token);
  if (token === undefined) throw sharedLocked(location, await standingOf(register));
  return keepLease(location, register, { note, token, taken }, { steady, wall });
}

/** A lost answer is settled by looking (I6). */
async function take(register: Register, note: SharedNote, over: string | undefined): Promise<string | undefined> {
  try {
    return await register.write(noteText(note), over);
  } catch (error) {
    const there = await standingOf(register);
    if (there.note?.nonce === note.nonce) return there.token;
    throw error;
  }
}

/** Who holds the lock of a location, if anybody. */
export async function sharedHolder(backend: Backend): Promise<SharedHolder | "unreadable" | undefined> {
  const found = await standingOf(await registerOf(backend, undefined));
  return isFree(found) ? undefined : (holderOf(found) ?? "unreadable");
}

/**
 * Frees the lock of a location when its holder stands still; `force`: whoever holds it.
 * @returns true when somebody held it
 * @throws `LOCKED` (exit 7) when the holder is alive
 */
export async function unlockShared(
  backend: Backend,
  { force = false, ...options }: { force?: boolean } & Omit<SharedLockOptions, "run">,
): Promise<boolean> {
  const register = await registerOf(backend, undefined);
  let found = await standingOf(register);
  if (isFree(found)) return false;
  if (!force) found = await standstill(backend.location, register, found, options);
  const { wall = Date.now } = options;
  const free = noteText({ free: true, fence: found.note?.fence ?? wall(), nonce: myself().nonce });
  if (!isFree(found) && (await register.write(free, found.token)) === undefined) {
    throw sharedLocked(backend.location, await standingOf(register));
  }
  return true;
}

/** Returns when the lock was given back or stood still for long enough. @throws `LOCKED` as soon as its holder shows that it is alive */
async function standstill(
  location: string,
  register: Register,
  first: Standing,
  options: Omit<SharedLockOptions, "run">,
): Promise<Standing> {
  const { steady = () => performance.now(), sleep = pause(options.signal), ttl = TTL } = options;
  const holder = holderOf(first);
  const span = STANDSTILL * Math.min(holder && holder.ttl > 0 ? holder.ttl : ttl, LONGEST);
  const began = steady();
  options.onWatch?.(holder, span);
  while (steady() - began < span) {
    await sleep(Math.min(span / LOOKS, 2_000));
    const now = await standingOf(register);
    if (isFree(now)) return now;
    if (now.token !== first.token) throw sharedLocked(location, now);
  }
  return first;
}

const pause = (signal: AbortSignal | undefined) => async (ms: number) => {
  await setTimeout(ms, undefined, signal && { signal }).catch((cause: unknown) => {
    throw new StowageError("INTERRUPTED", "interrupted while another run held the lock", {
      exit: ExitCode.interrupted,
      cause,
    });
  });
};

/** @throws `LOCK_UNSUPPORTED` for storage that can not hold a lock, `LOCATION_SUSPECT` where the location is not the one it should be */
export async function registerOf(backend: Backend, uuid: string | undefined): Promise<Register> {
  const { location, register } = backend;
  const marker = await backend.marker();
  if (marker === undefined || (uuid !== undefined && marker !== uuid.toLowerCase())) {
    const fact = marker === undefined ? "its marker is missing" : `its marker is ${marker}, not ${uuid}`;
    throw new StowageError("LOCATION_SUSPECT", `the lock in ${location} can not be used: ${fact}`, {
      hint: "Connect or mount it and run `stowage location check`; `stowage init` adopts a new one.",
    });
  }
  if (register && (await honoured(register))) return register;
  throw unsupported(location, register);
}

const unsupported = (location: string, register: Register | undefined): StowageError =>
  new StowageError("LOCK_UNSUPPORTED", `${location} can not hold the lock: ${register ? UNSAFE : NONE}`, {
    hint: "Name another location in `settings.lock`; `stowage location check` shows what each store honours.",
  });

/** Why the location can not hold the lock, as far as that is known without asking it. */
export function lockProblem({ location, register, features }: Backend): StowageError | undefined {
  const { store } = features;
  const unsafe = store && !(store.createOnly && store.oneWinner && store.conditionalReplace);
  return !register || unsafe ? unsupported(location, register) : undefined;
}

const UNSAFE = "its store does not honour what creating and replacing exactly once need";
const NONE = "its plug-in has no place for one";

async function honoured(register: Register): Promise<boolean> {
  try {
    return await register.honoured();
  } catch (error) {
    if (codeOf(error) === "READ_ONLY" || codeOf(error) === "APPEND_ONLY") return false;
    throw error;
  }
}
