import type { Features } from "../backend/backend.js";
import { printable } from "../lib/key.js";
import type { LocationCheck } from "../scan/check.js";
import { bytes, duration, plain, type TextOptions, wrap } from "./format.js";

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

/** How each location is: one line, what was probed, and what to do where something is wrong. */
export function* checkLines(checks: readonly LocationCheck[], options: TextOptions = {}): Generator<string> {
  const paint = options.paint ?? plain;
  const width = options.width ?? 80;
  for (const check of checks) {
    const asked = check.latency !== null;
    const mark = check.suspect || check.unwritable ? paint("yellow", "!") : asked ? paint("green", "✓") : "·";
    yield `${mark} ${paint("bold", printable(check.location))} ${printable(check.root)} (${traits(check)})`;
    for (const trouble of troubles(check)) yield* wrap(trouble, width, "  ");
    if (check.freeBytes !== null && check.totalBytes !== null) {
      yield `  ${bytes(check.freeBytes)} free of ${bytes(check.totalBytes)}, answered in ${duration(check.latency ?? 0)}`;
    }
    if (check.features) yield* wrap(featureText(check.features), width, "  ");
    else if (asked && !check.readOnly) yield "  not probed yet: run `stowage init`";
    if (options.verbose && check.uuid) yield `  ${check.uuid}`;
  }
}

function* troubles({ suspect, unwritable, hint }: LocationCheck): Generator<string> {
  if (suspect) yield `suspect: ${printable(suspect)}`;
  if (unwritable) yield `not writable: ${printable(unwritable)}`;
  if (hint) yield `Next: ${printable(hint)}`;
}

const traits = ({ type, status, readOnly }: LocationCheck): string =>
  [type, ...(status === "active" ? [] : [status]), ...(readOnly ? ["read only"] : [])].join(", ");
