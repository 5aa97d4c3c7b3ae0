import { type Features, removesSafely, type StoreFeatures } from "../backend/backend.js";
import { printable } from "../lib/key.js";
import type { LocationCheck } from "../scan/check.js";
import { bytes, duration, type Paint, plain, type TextOptions, wrap } from "./format.js";

/** What is known of a location: of a directory one line, of a bucket a table of what its store honours. */
export function* featureLines(
  features: Features,
  options: TextOptions & { allowed?: boolean } = {},
): Generator<string> {
  if (features.store) yield* verdictLines(features.store, options.paint ?? plain, options.allowed ?? false);
  else yield* wrap(featureText(features), options.width ?? 80, "  ");
}

/** What was tried on a store, what came of it, and what follows from a no. */
function* verdictLines(store: StoreFeatures, paint: Paint, allowed: boolean): Generator<string> {
  const append = allowed
    ? "removed after a look only: allow_unconditional_delete"
    : "append-only: copies yes, removals no";
  const rows: [tried: string, verdict: boolean, otherwise: string][] = [
    ["create-only PUT", store.createOnly, append],
    ["create-only upload in parts", store.createOnlyParts, "large objects go in one request"],
    ["one winner of many at once", store.oneWinner, "two applies at once may both succeed"],
    ["conditional PUT", store.conditionalReplace, "can not hold the lock"],
    ["conditional DELETE", store.conditionalRemove, append],
    ["conditional GET", store.conditionalRead, "a swap during a read is found by its hash only"],
    ["listed after it was written", store.listAfterWrite, append],
    ["conditional server-side copy", store.conditionalCopy, "copies go through this machine"],
    ["checks the hash of an upload", store.checksums, "copies are read back, its hashes not used"],
  ];
  const removes = removesSafely(store) || allowed;
  const keeps = store.versioned
    ? removes
      ? "Versioned: what is removed stays as an older version."
      : "Versioned."
    : "Not versioned.";
  yield `  ${removes ? "" : paint("yellow", "append-only: nothing is ever removed here. ")}${keeps}`;
  for (const [tried, verdict, otherwise] of rows) {
    const word = verdict ? paint("green", "yes") : paint("yellow", "no");
    yield `  ${tried.padEnd(30)} ${word}${verdict ? "" : `   ${paint("dim", otherwise)}`}`;
  }
}

/** `hard links, case-sensitive, times to 1 ns, names up to 255 bytes` */
export function featureText(features: Features): string {
  const { hardLinks, foldsCase, foldsUnicode, mtimeGranularity, maxNameBytes } = features;
  return [
    hardLinks ? "hard links" : "no hard links",
    foldsCase ? "folds case" : "case-sensitive",
    foldsUnicode ? "folds Unicode forms" : "keeps Unicode forms apart",
    `times to ${granularity(mtimeGranularity)}`,
    `names up to ${maxNameBytes} bytes`,
  ].join(", ");
}

const granularity = (ns: number): string => {
  if (ns < 1_000) return `${ns} ns`;
  return ns < 1_000_000 ? `${ns / 1_000} µs` : duration(ns / 1_000_000);
};

/**
 * How each location is: one line, what was probed, and what to do where something is wrong. `allowed` names those where the owner lets
 * objects be removed without conditions.
 */
export function* checkLines(
  checks: readonly LocationCheck[],
  options: TextOptions & { allowed?: ReadonlySet<string> } = {},
): Generator<string> {
  const paint = options.paint ?? plain;
  const width = options.width ?? 80;
  for (const check of checks) {
    const asked = check.latency !== null;
    const mark = check.suspect || check.unwritable ? paint("yellow", "!") : asked ? paint("green", "✓") : "·";
    yield `${mark} ${paint("bold", printable(check.location))} ${printable(check.root)} (${traits(check)})`;
    for (const trouble of troubles(check)) yield* wrap(trouble, width, "  ");
    const allowed = options.allowed?.has(check.location) ?? false;
    if (asked) yield* answerLines(check, { ...options, width, allowed });
    if (options.verbose && check.uuid) yield `  ${check.uuid}`;
  }
}

function* answerLines(check: LocationCheck, options: TextOptions & { allowed: boolean }): Generator<string> {
  const { freeBytes, totalBytes, latency } = check;
  const room = freeBytes === null || totalBytes === null ? "" : `${bytes(freeBytes)} free of ${bytes(totalBytes)}, `;
  yield `  ${room}answered in ${duration(latency ?? 0)}`;
  if (check.features) yield* featureLines(check.features, options);
  else if (!check.readOnly) yield "  not probed yet: run `stowage init`";
}

function* troubles({ suspect, unwritable, hint }: LocationCheck): Generator<string> {
  if (suspect) yield `suspect: ${printable(suspect)}`;
  if (unwritable) yield `not writable: ${printable(unwritable)}`;
  if (hint) yield `Next: ${printable(hint)}`;
}

const traits = ({ type, status, readOnly }: LocationCheck): string =>
  [type, ...(status === "active" ? [] : [status]), ...(readOnly ? ["read only"] : [])].join(", ");
