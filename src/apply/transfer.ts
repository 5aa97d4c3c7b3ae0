import { setTimeout as sleep } from "node:timers/promises";
import type { Entry, StoreObject } from "../backend/backend.js";
import { isTransient, retry } from "../backend/retry.js";
import { codeOf, StowageError } from "../lib/error.js";
import type { Ref, Target } from "../plan/plan.js";
import { proveArrived } from "./arrival.js";
import { at, holdsContent, isRelinked, noteRot } from "./observe.js";
import { asPlanned, blame, localSource, openSource, rememberSecond, rememberSource, sourceBytes } from "./reading.js";
import { backendOf, type Task } from "./run.js";
import {
  type CopySource,
  causeOf,
  FEW,
  isSourceProblem,
  PLAN_AGAIN,
  sourcesOf,
  UNREADABLE,
  UNSENT,
} from "./sources.js";

/**
 * Makes the content be at the target and proves it there. What is there already under the right hash is taken as it is.
 * @returns true when bytes were transferred
 * @throws `PRECONDITION` when other bytes are there, or the plan relied on bytes that are gone
 */
export async function ensureAt(task: Task, target: Target): Promise<boolean> {
  return (await sentUnseen(task, target)) || (await ensureLooking(task, target));
}

/** The same for what can not be sent without a look at the target. */
export async function ensureLooking(task: Task, target: Target): Promise<boolean> {
  const { run } = task;
  await run.health.require(target.location);
  const there = await backendOf(run, target.location).stat(target.key);
  // An upload of ours that was killed may have left it: that is for the store to say when it is written.
  if (there && !there.held) {
    if (await holdsContent(task, target.location, there, "checksum")) return false;
    if (there.version === target.expect) throw noteRot(task, target);
    throw new StowageError("PRECONDITION", `${at(target)} holds another file by now`, { hint: PLAN_AGAIN });
  }
  if (target.expect !== "absent") {
    throw new StowageError("PRECONDITION", `${at(target)} held the content and is gone`, { hint: PLAN_AGAIN });
  }
  await transfer(task, target);
  return true;
}

/**
 * Few bytes, which may be sent in vain, from where the plan says and to a free name: a store that was seen to refuse a taken one (I3) is not asked
 * before. False when it has to be looked at.
 */
export async function sentUnseen(task: Task, target: Target): Promise<boolean> {
  const { run, action } = task;
  await run.health.require(target.location);
  if (target.expect !== "absent" || action.size > FEW || run.plan.actions.length < MANY) return false;
  const [source] = sourcesOf(task, target);
  const store = backendOf(run, target.location);
  if (!source?.planned || !(await store.refusesTaken?.(run.id))) return false;
  try {
    await copyUndisturbed(task, source, target, undefined);
    return true;
  } catch (error) {
    const ofSource = isSourceProblem(error);
    const cause = ofSource ? causeOf(error) : error;
    // The source may have changed or gone, or the name be taken, be it by an earlier run of this plan: that is found out by looking.
    if (!UNSENT.has(codeOf(cause) ?? "")) throw cause;
    if (!ofSource && codeOf(cause) === "UNAVAILABLE" && store.resilient) throw cause;
    return false;
  }
}

/** Actions from which on it is worth it to find out what the store does. */
const MANY = 32;

/**
 * Copies the content to the target from the first source that has it: `from`, then the other instances by the priority of
 * their locations; those in locations that rest come last. `confirm` runs before the bytes get their name (see `Backend.write`).
 */
export async function transfer(task: Task, target: Ref, confirm?: () => Promise<void>): Promise<void> {
  const { run } = task;
  const sources = sourcesOf(task, target);
  // Another round is for sources that do not answer; the target's backend, and a resilient one, have their own second attempts.
  const rounds = sources.some(({ location }) => !run.backends.get(location)?.resilient) ? run.retries.retries : 0;
  const failed = await retry(target.location, { ...run.retries, retries: rounds }, async () => {
    let problem: unknown;
    for (const source of sources) {
      try {
        await copyUndisturbed(task, source, target, confirm);
        return undefined;
      } catch (error) {
        if (!isSourceProblem(error)) return { error };
        const cause = causeOf(error);
        // The plan was made for this very source; another one is only asked when it can not be read.
        if (source.planned && !UNREADABLE.has(codeOf(cause) ?? "")) return { error: cause };
        if (problem === undefined || (isTransient(cause) && !isTransient(problem))) problem = cause;
      }
    }
    throw problem ?? new StowageError("UNAVAILABLE", `${at(task.action.from)} can not be read outside its window`);
  });
  if (failed) throw failed.error;
}

/** A file that loses another of its names while it is read seems to change: then it is read again. */
async function copyUndisturbed(
  task: Task,
  source: CopySource,
  target: Ref,
  confirm: (() => Promise<void>) | undefined,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await copyFrom(task, source, target, confirm);
    } catch (error) {
      if (attempt === 5 || !(await lostAName(task, source, causeOf(error)))) throw error;
      await sleep(attempt * 10);
    }
  }
}

/** Whether it still is the content is for the next attempt to say: it may just be losing the name. */
async function lostAName(task: Task, { version, location, key }: CopySource, cause: unknown): Promise<boolean> {
  if (codeOf(cause) !== "PRECONDITION" || version === undefined) return false;
  // Another error does not say more than the one that is at hand.
  const now = await backendOf(task.run, location)
    .stat(key)
    .catch(() => undefined);
  return now !== undefined && now.version !== version && isRelinked(task.run, { location, key, version }, now);
}

async function copyFrom(
  task: Task,
  source: CopySource,
  target: Ref,
  confirm: (() => Promise<void>) | undefined,
): Promise<void> {
  const planned = confirm ? undefined : await asPlanned(task, source, target);
  if (planned && (await sentAsPlanned(task, { source, from: planned, target, confirm, object: undefined }))) return;
  const from = await openSource(task, source);
  // Whichever copy is read in the end, the file keeps the time of the first: the one that the plan names.
  task.mtime ??= from.mtime;
  const object = objectFor(task, source, target, from);
  const arrived = await send(task, { source, from, target, confirm, object });
  // What the store copied by itself was not looked at on the way: the long way tells what is wrong with it.
  if (!arrived) await send(task, { source, from, target, confirm, object: undefined });
}

/** Sends what is read as the version that the plan names, or not at all. False when it is not that one: the look at it tells why. */
async function sentAsPlanned(task: Task, shipment: Shipment): Promise<boolean> {
  try {
    task.mtime ??= shipment.from.mtime;
    return await send(task, shipment);
  } catch (error) {
    if (!isSourceProblem(error) || !CHANGED.has(codeOf(causeOf(error)) ?? "")) throw error;
    return false;
  }
}

const CHANGED: ReadonlySet<string> = new Set(["PRECONDITION", "NOT_FOUND"]);

interface Shipment {
  source: CopySource;
  /** The source as it was found, or as the plan tells of it. */
  from: Entry;
  target: Ref;
  confirm: (() => Promise<void>) | undefined;
  /** The source, for a store that can copy it by itself. */
  object: StoreObject | undefined;
}

/** False when a copy that the store made by itself is not the content, and is gone again. */
async function send(task: Task, shipment: Shipment): Promise<boolean> {
  const { run, action, sha256, outcome } = task;
  const { source, from, target, confirm, object } = shipment;
  const reader = backendOf(run, source.location);
  const progress = { before: outcome.bytes, whole: false, found: false };
  const { path, file, unlinked } = localSource(task, source, from, target);
  const onBytes = (bytes: number): void => {
    outcome.bytes += bytes;
    run.emit({ type: "bytes", action: action.id, phase: "copy", location: target.location, bytes });
  };
  const onWhole = () => void Object.assign(progress, { whole: true });
  try {
    const published = await backendOf(run, target.location).write(target.key, {
      sha256,
      size: action.size,
      mtime: task.mtime!,
      run: run.id,
      isOver: (earlier) => run.over.has(earlier),
      signal: run.abort,
      bytes: () => sourceBytes(task, source, from, { target, onWhole }),
      path,
      file,
      object,
      confirm,
      onBytes,
      onFound: () => void Object.assign(progress, { found: true }),
      onWhole,
    });
    await stillThere(task, target.location);
    const whole = progress.whole || path !== undefined;
    const good = await proveArrived(task, target, published, { mayFail: object !== undefined && !whole });
    if (!good) outcome.bytes = progress.before;
    else {
      task.published = published;
      const uncounted = progress.before + action.size - outcome.bytes;
      if (uncounted > 0) onBytes(uncounted);
      outcome.bytes = progress.before + action.size;
      if (published.second) rememberSecond(task, published);
      else if (!progress.found && whole) await rememberSource(task, source, from, progress.whole ? undefined : reader);
    }
    return good;
  } catch (error) {
    outcome.bytes = progress.before;
    unlinked();
    throw codeOf(error) === "CORRUPT" ? await blame(task, source, from, error) : error;
  }
}

/** The storage may have gone while it was written, and the bytes be in the empty mount point that it left (S14). Buckets leave none. */
const stillThere = ({ run }: Task, location: string): Promise<void> =>
  backendOf(run, location).root === undefined ? run.health.require(location) : run.health.requireSince(location);

/** The planned source in the terms of its store, where the store of the target can copy it. */
function objectFor({ run }: Task, source: CopySource, target: Ref, from: Entry): StoreObject | undefined {
  const [reader, writer] = [backendOf(run, source.location), backendOf(run, target.location)];
  if (!source.planned || reader.provider === undefined || reader.provider !== writer.provider) return undefined;
  return reader.objectOf?.(source.key, from.version);
}
