import { printable } from "../lib/key.js";
import type { LocationScan } from "../scan/record.js";
import type { ScanReport } from "../scan/scan.js";
import { bytes, count, plain, plural, type TextOptions, table, wrap } from "./format.js";

const SHOWN = 10;

/** What a scan found: a table, then what went wrong with the next steps, then one line of sums. */
export function* scanLines(report: ScanReport, options: TextOptions = {}): Generator<string> {
  const numbers = ["files", "hashed", "added", "changed", "missing"] as const;
  const columns = [
    { title: "Location", flexible: true },
    { title: "status" },
    ...numbers.map((title) => ({ title, align: "right" as const })),
    { title: "bytes", align: "right" as const },
  ];
  const cells = report.locations.map((each) => [
    each.location,
    each.status,
    ...numbers.map((name) => count(each[name])),
    bytes(each.bytes),
  ]);
  cells.push(...report.offline.map((name) => [name, "offline", ...columns.slice(2).map(() => "")]));
  if (cells.length > 0) yield* table(columns, cells, options);
  for (const each of report.locations) yield* trouble(each, options);
  const sum = (name: (typeof numbers)[number]): number => report.locations.reduce((all, each) => all + each[name], 0);
  yield "";
  yield `${plural(sum("files"), "file")} in ${plural(report.locations.length, "location")}: ${count(sum("added"))} added, ${count(sum("changed"))} changed, ${count(sum("missing"))} missing.`;
}

function* trouble(scan: LocationScan, options: TextOptions): Generator<string> {
  const paint = options.paint ?? plain;
  const width = options.width ?? 80;
  const name = printable(scan.location);
  if (scan.suspect) {
    yield "";
    yield* wrap(`${paint("yellow", "!")} ${name} is suspect: ${printable(scan.suspect)}`, width);
    yield* wrap("Nothing is read from it, written to it or relied on until this is settled.", width, "  ");
    if (scan.hint) yield* wrap(`Next: ${printable(scan.hint)}`, width, "  ");
  }
  if (scan.rot.length > 0) {
    yield "";
    yield paint(
      "red",
      `! ${name}: ${plural(scan.rot.length, "damaged file")}: bytes changed without having been written`,
    );
    yield* list(
      scan.rot.map(({ key }) => printable(key)),
      scan.rot.length,
      options,
    );
    yield "  Next: `stowage verify --repair -o repair.ndjson` plans good copies in their place.";
  }
  if (scan.problemCount > 0) {
    yield "";
    yield `${paint("yellow", "!")} ${name}: ${problemsText([scan])} left alone`;
    yield* list(
      scan.problems.map(({ key, message }) => `${printable(key)}: ${printable(message)}`),
      scan.problemCount,
      options,
    );
  }
  const links = scan.symlinks > 0 && plural(scan.symlinks, "symbolic link");
  const special = scan.special > 0 && plural(scan.special, "special file");
  if (links || special) {
    yield "";
    yield `${name}: ${[links, special].filter(Boolean).join(" and ")} left alone: only files are managed`;
  }
}

/** `2 files and 1 folder`: what scans had a problem with. */
export function problemsText(scans: readonly LocationScan[]): string {
  const all = scans.reduce((sum, { problemCount }) => sum + problemCount, 0);
  const folders = scans.reduce((sum, { problemFolders }) => sum + problemFolders, 0);
  const parts = [all > folders && plural(all - folders, "file"), folders > 0 && plural(folders, "folder")];
  return parts.filter((part) => part !== false).join(" and ");
}

function* list(lines: readonly string[], total: number, options: TextOptions): Generator<string> {
  const shown = options.verbose ? lines : lines.slice(0, SHOWN);
  for (const line of shown) yield `  ${line}`;
  if (total > shown.length) yield `  … and ${count(total - shown.length)} more (\`stowage sql "from scan_problems"\`)`;
}
