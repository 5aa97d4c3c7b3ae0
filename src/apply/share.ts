import type { Backend } from "../backend/backend.js";
import { codeOf, messageOf, StowageError } from "../lib/error.js";
import type { Plan } from "../plan/plan.js";
import type { ApplyOptions } from "./apply.js";
import type { ApplyEvent } from "./events.js";
import { type Damage, damageText } from "./journal-lines.js";
import { type Mirror, openMirror } from "./journal-mirror.js";
import type { Lease } from "./lock-lease.js";
import { whoOf } from "./lock-note.js";
import { acquireSharedLock } from "./lock-shared.js";

export const damagedJournal = (run: string, { line, reason }: Damage): ApplyEvent => ({
  type: "warning",
  code: "JOURNAL_DAMAGED",
  message: `${damageText(run, line, reason)}; the plan is applied all the same, because each file is looked at first`,
});

export const leftLock = (error: unknown): ApplyEvent => ({
  type: "warning",
  code: codeOf(error) ?? "LOCK_LEFT",
  message: messageOf(error),
});

/** Undefined where no lock is shared. @throws as `acquireSharedLock` does */
export async function shareLock(
  run: string,
  { header }: Plan,
  backends: ReadonlyMap<string, Backend>,
  { lock, signal, onEvent }: ApplyOptions,
): Promise<Lease | undefined> {
  if (!lock) return undefined;
  const { location, ...clocks } = lock;
  const backend = backends.get(location);
  if (!backend) {
    throw new StowageError("LOCATION_SUSPECT", `${location} is not available, and it holds the lock`, {
      hint: "Set it to `status: active`, or name another location in `settings.lock`.",
    });
  }
  const uuid = uuidOf(header, location);
  return await acquireSharedLock(backend, {
    ...clocks,
    ...{ run, uuid, signal },
    onWatch: (holder, ms) => onEvent?.({ type: "lock-watch", location, holder: whoOf(holder), ms }),
  });
}

/** Undefined where the journal is copied nowhere. Never fails: what can not be copied is a warning. */
export function shareJournal(
  run: string,
  { header }: Plan,
  backends: ReadonlyMap<string, Backend>,
  { state, mirror, onEvent }: ApplyOptions,
): Mirror | undefined {
  if (!mirror) return undefined;
  const { location, ...more } = mirror;
  const uuid = uuidOf(header, location);
  const onProblem = (why: string) =>
    onEvent?.({
      type: "warning",
      code: "NOT_MIRRORED",
      message: `the journal could not be copied to ${location}: ${why}`,
    });
  return openMirror(backends.get(location), { ...more, state, run, uuid, onProblem });
}

const uuidOf = ({ scans }: Plan["header"], location: string): string | undefined =>
  scans.find((scan) => scan.location === location)?.uuid ?? undefined;
