import { printable } from "../lib/key.js";
import type { VerifyReport } from "../scan/verify.js";
import { at, bytes, count, plain, plural, type Style, type TextOptions } from "./format.js";

const SHOWN = 10;

/** What a verification found: damage first, then what could not be said, then one line of sums. */
export function* verifyLines(report: VerifyReport, options: TextOptions = {}): Generator<string> {
  const { counts } = report;
  yield* group("red", "Damaged: bytes changed without having been written", report.rot.map(at), counts.rot, options);
  if (counts.rot > 0) yield "  Next: `stowage verify --repair -o repair.ndjson` plans good copies in their place.\n";
  yield* group("yellow", "Missing", report.missing.map(at), counts.missing, options);
  const unreadable = report.unreadable.map((each) => `${at(each)}: ${printable(each.message)}`);
  yield* group("yellow", "Could not be read", unreadable, counts.unreadable, options);
  const archived = report.archived.map((each) => `${at(each)}: ${printable(each.message)}`);
  yield* group("yellow", "Archived, and not read", archived, counts.archived, options);
  const corrected = report.corrected.map(at);
  yield* group("yellow", "Noted with another hash than they have; corrected", corrected, counts.corrected, options);
  yield* group(
    "yellow",
    "Changed since the last scan, and not compared",
    report.changed.map(at),
    counts.changed,
    options,
  );
  const skipped = report.skipped.map((each) => `${printable(each.location)}: ${printable(each.reason)}`);
  yield* group("yellow", "Locations not verified", skipped, skipped.length, options);
  const rest = [
    `${count(counts.rot)} damaged`,
    ...(counts.identified > 0 ? [`${count(counts.identified)} identified`] : []),
    ...(counts.missing > 0 ? [`${count(counts.missing)} missing`] : []),
    ...(counts.unreadable > 0 ? [`${count(counts.unreadable)} unreadable`] : []),
    ...(counts.archived > 0 ? [`${count(counts.archived)} archived`] : []),
    ...(counts.corrected > 0 ? [`${count(counts.corrected)} corrected`] : []),
    ...(counts.changed > 0 ? [`${count(counts.changed)} changed`] : []),
  ];
  yield `${plural(report.checked, "file")} read, ${bytes(report.bytes)}: ${count(report.ok)} verified, ${rest.join(", ")}.`;
}

function* group(
  style: Style,
  title: string,
  lines: readonly string[],
  total: number,
  options: TextOptions,
): Generator<string> {
  if (total === 0) return;
  yield (options.paint ?? plain)(style, `${title}: ${count(total)}`);
  const shown = options.verbose ? lines : lines.slice(0, SHOWN);
  for (const line of shown) yield `  ${line}`;
  if (total > shown.length) yield `  … and ${count(total - shown.length)} more (show with -v or --json)`;
}
