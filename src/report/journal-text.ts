import type { JournalCheck, JournalsCheck } from "../apply/journal-verify.js";
import { printable } from "../lib/key.js";
import { count, type Paint, plain, plural, type TextOptions } from "./format.js";

/** What checking the journals has found: a line for each that is not whole, and the sum as the last. */
export function* verifyLines({ runs, missing }: JournalsCheck, options: TextOptions = {}): Generator<string> {
  const paint = options.paint ?? plain;
  const damaged = runs.filter(({ damage }) => damage);
  for (const check of runs) yield* checkLines(check, options.verbose ?? false, paint);
  for (const { run, known_by } of missing) {
    yield `${paint("red", "!")} ${run}: the whole journal is gone; run ${known_by} came after it and knew of it.`;
  }
  if (damaged.length + missing.length > 0) {
    yield "  What comes before the line is as it was written; what comes after it proves nothing. No file is in danger: each";
    yield "  apply looks at the files themselves. Put the journal aside when you know what has happened to it.";
  }
  const lines = runs.reduce((sum, check) => sum + check.lines, 0);
  const short = runs.filter(({ damage, torn, status }) => !damage && (torn || status === "open"));
  const verdict = [
    ...(damaged.length > 0 ? [`${count(damaged.length)} damaged`] : []),
    ...(missing.length > 0 ? [`${count(missing.length)} missing`] : []),
    ...(short.length > 0 ? [`${count(short.length)} without an end, the rest as they were written`] : []),
  ];
  yield paint(
    "bold",
    `Checked ${plural(runs.length, "journal")}, ${plural(lines, "line")}: ${verdict.length > 0 ? verdict.join(", ") : "all as they were written"}.`,
  );
}

function* checkLines(check: JournalCheck, verbose: boolean, paint: Paint): Generator<string> {
  const { place, damage, torn, lines, status } = check;
  if (damage) yield `${paint("red", "!")} ${printable(place)}:${damage.line}: ${printable(damage.reason)}`;
  else if (torn)
    yield `${printable(place)}:${lines + 1}: the last line is cut off: the process was killed while it wrote it, or somebody has cut it since`;
  else if (status === "open")
    yield `${printable(place)}: it has no end: the run was killed, is running, or its end was cut off`;
  else if (verbose) yield `${printable(place)}: ${plural(lines, "line")}, ${status}`;
}
