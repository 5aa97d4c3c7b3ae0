import type { Entry, RemoveOptions } from "../backend/backend.js";
import { codeOf, messageOf, StowageError } from "../lib/error.js";
import type { Ref, Target, Witness } from "../plan/plan.js";
import type { ProofKind } from "./events.js";
import { assertInvariant } from "./invariant.js";
import { at, holdsContent, isProven, noteRot, relinkedKey, remember, source } from "./observe.js";
import { isLocal } from "./pace.js";
import { whyOf } from "./redact.js";
import { addressOf, backendOf, type Task } from "./run.js";

/** Another copy of the content, proven in this run as `safety.verify` asks. */
interface Proof {
  ref: Ref;
  entry: Entry;
}

/**
 * Removes the action's `from` under I2: its own bytes are the content (I4), enough other copies were proven in this run,
 * for a move the one at its target among them, and their tokens are looked at again as the last step before it is gone. Removals of one content run one at a time.
 * What is gone already is taken as removed.
 */
export async function removeInstance(task: Task, options: { trash: boolean }): Promise<void> {
  const { run, action } = task;
  await run.exclusively(action.content, async () => {
    await run.health.require(action.from.location);
    // Whether it is that very version still is looked at last of all, where it is removed.
    const entry = task.second ?? (await source(task));
    if (!entry) return noteRemoved(task, options.trash);
    if (!(await isContent(task, entry))) throw noteRot(task, action.from);
    const arrival = await proveArrival(task, entry);
    const proofs = await prove(task, entry, arrival);
    await carryOut(task, entry, { proofs, ...(arrival && { arrival }) }, options.trash).catch((error: unknown) => {
      if (!task.second || codeOf(error) !== "NOT_FOUND") throw error;
    });
    noteRemoved(task, options.trash);
  });
}

/** What vouches for the removed file. */
interface Vouchers {
  proofs: readonly Proof[];
  /** What a move has put at its target: looked at in the end however many other copies there are (S7, S10). */
  arrival?: Proof;
}

const needed = ({ run }: Task): ProofKind => run.plan.header.safety.verify;

/** The bytes that are to go are the content. What can not be read stays. @throws `TOO_FEW_COPIES` */
async function isContent(task: Task, entry: Entry): Promise<boolean> {
  try {
    return await holdsContent(task, task.action.from.location, entry, needed(task));
  } catch (error) {
    throw asTooFew(task, error);
  }
}

/** What can not be read before it is restored proves nothing; other errors are told as they are. */
const asTooFew = ({ action }: Task, error: unknown): unknown =>
  codeOf(error) === "ARCHIVED" ? tooFew(`${at(action.from)} stays: ${messageOf(error)}`, RESTORE) : error;

const tooFew = (message: string, hint: string): StowageError => new StowageError("TOO_FEW_COPIES", message, { hint });

const RESTORE = "Restore it and plan again, or set `safety.verify: checksum` where the store computes its own.";

function noteRemoved({ run, action, sha256, outcome }: Task, trashed: boolean): void {
  const { location, key } = action.from;
  run.proven.delete(addressOf(action.from));
  outcome.present = outcome.present.filter((present) => !(present.location === location && present.key === key));
  outcome.removed.push({ location, key, sha256, trashed });
}

/** The content at the target of a move; undefined for what has no target. @throws `PRECONDITION` when it is not there any more */
async function proveArrival(task: Task, entry: Entry): Promise<Proof | undefined> {
  const { kind, to, from } = task.action;
  if (kind !== "move" || !to) return undefined;
  const found = await proveOne(task, atTarget(to), entry).catch((error: unknown) => {
    throw asTooFew(task, error);
  });
  if (typeof found !== "string") return { ref: to, entry: found };
  throw new StowageError("PRECONDITION", `${at(from)} stays: ${at(to)} ${found}`, {
    hint: "Run `stowage scan` and plan again.",
  });
}

/** As many proven copies as the removal needs; what has just arrived is one. @throws `TOO_FEW_COPIES` */
async function prove(task: Task, entry: Entry, arrival: Proof | undefined): Promise<Proof[]> {
  const { run, action } = task;
  const proofs: Proof[] = [];
  const reasons: string[] = [];
  for (const witness of provenFirst(task)) {
    if (proofs.length >= action.required) break;
    if (proofs.some(({ ref }) => ref.location === witness.location)) continue;
    if (addressOf(witness) === addressOf(action.from)) continue;
    if (task.closed.has(witness.location)) {
      reasons.push(`${witness.location} is outside its window`);
      continue;
    }
    try {
      const arrived = arrival !== undefined && addressOf(arrival.ref) === addressOf(witness);
      const found = arrived ? arrival.entry : await proveOne(task, witness, entry);
      const twin = typeof found === "string" ? undefined : proofs.find((proof) => isSameFile(proof.entry, found));
      if (typeof found === "string") reasons.push(`${at(witness)} ${found}`);
      else if (twin) reasons.push(`${at(witness)} is the very same file as ${at(twin.ref)}`);
      else proofs.push({ ref: witness, entry: found });
    } catch (error) {
      // Unknown counts as no copy (I5); why it is unknown goes into the message.
      if (run.abort.aborted) throw error;
      reasons.push(messageOf(error));
    }
  }
  if (proofs.length < action.required) {
    throw tooFew(
      `${at(action.from)} stays: ${proofs.length} of ${action.required} other copies could be proven${reasons.length > 0 ? ` (${reasons.join("; ")})` : ""}`,
      "Run `stowage verify` and plan again.",
    );
  }
  return proofs;
}

/**
 * In the order of I2, but those that need no reading first: each of them is higher than what is removed. What a move has put into a
 * location that may vouch is as high as the file that the plan names there, which another move may have yet to bring.
 */
function provenFirst(task: Task): Witness[] {
  const { kind, to, witnesses } = task.action;
  const arrived = kind === "move" && to && witnesses.some(({ location }) => location === to.location);
  const all = arrived ? [...witnesses, atTarget(to)] : witnesses;
  const known = (witness: Witness) => isProven(task, witness, needed(task));
  return [...all.filter(known), ...all.filter((witness) => !known(witness))];
}

/** What a move has put at its target, as a witness. */
const atTarget = (to: Target): Witness => ({ ...to, version: to.expect === "absent" ? null : to.expect });

/** The witness as it is now, its bytes proven; or why it does not count. */
async function proveOne(task: Task, witness: Witness, removed: Entry): Promise<Entry | string> {
  await task.run.health.require(witness.location);
  const entry = justPublished(task, witness) ?? (await backendOf(task.run, witness.location).stat(witness.key));
  if (!entry) return "is gone";
  if (isSameFile(entry, removed) && !mayShare(task, witness)) return "is the very same file";
  if (await holdsContent(task, witness.location, entry, needed(task))) {
    return (await settle(task, witness.location, entry)) ? entry : "is gone";
  }
  if (entry.version === witness.version) return messageOf(noteRot(task, witness));
  return "holds other bytes by now";
}

/** What this action has put at its target a moment ago. The last look is at it again. */
const justPublished = ({ action: { to }, published }: Task, witness: Ref): Entry | undefined =>
  published?.physical !== undefined && to && addressOf(to) === addressOf(witness) ? published : undefined;

/**
 * What a removal leaves is one copy less only where the file itself goes: a move within one file system takes one of its two names. That the other is a
 * name of its own, and not the same one seen in two ways, is for the removal to say, which looks at how many there are, and when the one that goes is away.
 */
const mayShare = ({ run, action: { from, to } }: Task, witness: Ref): boolean =>
  witness.location === from.location ||
  (to !== null && addressOf(to) === addressOf(witness) && [from, to].every(({ location }) => isLocal(run, location)));

/** What vouches must outlast a loss of power (I1); what this run has written does. False when it is gone. */
async function settle({ run }: Task, location: string, { key, version }: Entry): Promise<boolean> {
  const lasting = `${addressOf({ location, key })}\0${version}`;
  if (run.lasting.has(lasting)) return true;
  try {
    await backendOf(run, location).settle?.(key);
  } catch (error) {
    if (codeOf(error) !== "NOT_FOUND") throw error;
    return false;
  }
  run.lasting.add(lasting);
  return true;
}

const isSameFile = (a: Entry, b: Entry): boolean => a.physical !== undefined && a.physical === b.physical;

async function carryOut(task: Task, entry: Entry, vouchers: Vouchers, trash: boolean): Promise<void> {
  const { run, action, sha256 } = task;
  const { location, key, version: planned } = action.from;
  assertI2(task, vouchers, trash);
  const line = { action: action.id, location, key, sha256, trash };
  const { size, mtime, physical, version } = entry;
  const facts = { version, planned, size, mtime: String(mtime), ...(physical !== undefined && { physical }) };
  await run.lease?.require();
  await run.journal.commit({ type: "remove", at: run.now(), ...line, ...facts });
  // From here on its other names change their version, whatever comes of it.
  if (physical !== undefined) run.relinked.set(relinkedKey(action.from), { physical, size, mtime });
  try {
    const confirm = () => confirmVouchers(task, entry, vouchers);
    const otherName = otherNameOf(task, vouchers, entry);
    await backendOf(run, location).remove(key, { version, run: run.id, trash, confirm, ...otherName });
  } catch (error) {
    await run.journal.commit({ type: "kept", at: run.now(), ...line, ...whyOf(error) });
    throw error;
  }
  await run.journal.commit({ type: "removed", at: run.now(), ...line });
}

/** The name that a move leaves has a new version, for the only reason that the other one is gone. */
function otherNameOf(task: Task, { arrival }: Vouchers, removed: Entry): Pick<RemoveOptions, "otherName"> {
  if (!arrival || !isSameFile(arrival.entry, removed)) return {};
  const { key, size, mtime, physical } = arrival.entry;
  return {
    otherName(version) {
      remember(task, arrival.ref.location, { key, size, mtime, version, ...(physical && { physical }) }, "content");
      task.run.lasting.add(`${addressOf(arrival.ref)}\0${version}`);
    },
  };
}

function assertI2({ run, action }: Task, { proofs, arrival }: Vouchers, trash: boolean): void {
  const places = new Set(proofs.map(({ ref }) => ref.location));
  assertInvariant(
    places.size === proofs.length && places.size >= action.required,
    "I2",
    `${at(action.from)} has too few proven copies`,
  );
  assertInvariant(action.required >= 1 || action.kind === "delete", "I1", `${at(action.from)} would be the last copy`);
  assertInvariant(
    action.reason !== "conflict" || trash,
    "I1",
    `${at(action.from)} lost a conflict and must go to the trash`,
  );
  assertInvariant(
    !proofs.some(({ ref }) => addressOf(ref) === addressOf(action.from)),
    "I2",
    `${at(action.from)} would vouch for itself`,
  );
  assertInvariant(action.kind !== "move" || arrival !== undefined, "I2", `${at(action.from)} has not arrived anywhere`);
  assertInvariant(run.plan.header.applyable, "I7", "the plan is not to be applied");
}

/** The last look: the locations are still the right ones, and every proven copy is still the version that was proven. */
async function confirmVouchers(task: Task, removed: Entry, { proofs, arrival }: Vouchers): Promise<void> {
  const { run, action } = task;
  const all = [...(arrival ? [arrival] : []), ...proofs];
  for (const location of new Set([action.from.location, ...all.map(({ ref }) => ref.location)])) {
    await run.health.requireSince(location);
  }
  for (const { ref, entry } of new Map(all.map((proof) => [addressOf(proof.ref), proof])).values()) {
    const now = await backendOf(run, ref.location).stat(ref.key);
    if (now?.version === entry.version) continue;
    // Another name of the removed file has a new version now; that it is still there shows that it is a name of its own.
    if (now && isSameFile(now, removed) && (await holdsContent(task, ref.location, now, needed(task)))) continue;
    throw new StowageError("PRECONDITION", `${at(ref)} changed while ${at(action.from)} was to be removed`, {
      hint: "Run `stowage scan` and plan again.",
    });
  }
  await run.lease?.require();
}
