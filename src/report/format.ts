import { printable } from "../lib/key.js";

/** How text is painted; `plain` leaves it as it is. */
export type Paint = (style: Style, text: string) => string;
export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "blue" | "magenta" | "cyan";

const CODES: Record<Style, [number, number]> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
};

export const plain: Paint = (_style, text) => text;

export const coloured: Paint = (style, text) => {
  const [on, off] = CODES[style];
  return text === "" ? "" : `\u001b[${on}m${text}\u001b[${off}m`;
};

/** How to print: `width` in columns; `verbose` shows everything in full. */
export interface TextOptions {
  paint?: Paint;
  width?: number;
  verbose?: boolean;
}

const UNITS = ["B", "KB", "MB", "GB", "TB", "PB", "EB"];

/** `0 B`, `999 B`, `1.2 KB`, `348 GB`: powers of 1000, three digits at most. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (unit < UNITS.length - 1 && Number(shortNumber(value, unit)) >= 1000) {
    value /= 1000;
    unit += 1;
  }
  return `${shortNumber(value, unit)} ${UNITS[unit]}`;
}

const shortNumber = (value: number, unit: number): string =>
  unit === 0 ? String(Math.round(value)) : value < 99.95 ? value.toFixed(1) : value.toFixed(0);

/** `48,211` */
export const count = (value: number): string => String(Math.trunc(value)).replace(/\B(?=(\d{3})+(?!\d))/g, ",");

/** `1 file`, `2 files`, `1,204 files` */
export const plural = (value: number, noun: string, many = `${noun}s`): string =>
  `${count(value)} ${value === 1 ? noun : many}`;

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `340ms`, `4.2s`, `2min 5s`, `3h 20min`, `12d 4h`: the two largest units. */
export function duration(ms: number): string {
  if (ms < SECOND) return `${Math.max(0, Math.round(ms))}ms`;
  if (ms < 10 * SECOND) return `${(Math.floor(ms / 100) / 10).toFixed(1)}s`;
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)}s`;
  if (ms < HOUR) return pair(ms, MINUTE, "min", SECOND, "s");
  if (ms < DAY) return pair(ms, HOUR, "h", MINUTE, "min");
  return pair(ms, DAY, "d", HOUR, "h");
}

function pair(ms: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % large) / small);
  return `${count(Math.floor(ms / large))}${largeName}${rest > 0 ? ` ${rest}${smallName}` : ""}`;
}

/** `3d ago`, `in 2h`, `just now`: the largest unit only. */
export function relative(at: number, now: number): string {
  const distance = now - at;
  if (Math.abs(distance) < SECOND) return "just now";
  const coarse = duration(Math.abs(distance)).replace(/ .*|\.\d/, "");
  return distance > 0 ? `${coarse} ago` : `in ${coarse}`;
}

/** `2026-03-01 12:00:00Z` */
export const instant = (at: number): string =>
  new Date(at)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, "Z");

/** Columns that a terminal needs: wide characters count two, combining marks none. */
export function displayWidth(text: string): number {
  if (/^[\u0020-\u007e]*$/.test(text)) return text.length;
  let columns = 0;
  for (const char of text.normalize("NFC")) {
    if (/\p{Mark}|\u200d|\ufe0f/u.test(char)) continue;
    columns += WIDE.test(char) ? 2 : 1;
  }
  return columns;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;

/** The text in at most `width` columns; what is cut is the middle, because a name's beginning and its end tell most. */
export function middle(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  if (width < 1) return "";
  const chars = [...text];
  const tailWidth = Math.floor(((width - 1) * 3) / 5);
  const head = take(chars, width - 1 - tailWidth);
  const tail = take([...chars].reverse(), tailWidth);
  return `${head.join("")}…${tail.reverse().join("")}`;
}

function take(chars: readonly string[], width: number): string[] {
  const taken: string[] = [];
  let left = width;
  for (const char of chars) {
    left -= displayWidth(char);
    if (left < 0) break;
    taken.push(char);
  }
  return taken;
}

export const padEnd = (text: string, width: number): string =>
  text + " ".repeat(Math.max(0, width - displayWidth(text)));
export const padStart = (text: string, width: number): string =>
  " ".repeat(Math.max(0, width - displayWidth(text))) + text;

/** Words in lines of at most `width` columns, each after `indent`; a word that is longer has a line of its own. */
export function wrap(text: string, width: number, indent = ""): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/ +/)) {
    if (line !== "" && displayWidth(indent) + displayWidth(line) + 1 + displayWidth(word) > width) {
      lines.push(indent + line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(indent + line);
  return lines;
}

/** `primary:raw/a.jpg`, safe to print. */
export const at = (ref: { location: string; key: string }): string => printable(`${ref.location}:${ref.key}`);

/** The first characters of a hash, enough to find it again. */
export const shortHash = (content: string): string => content.replace(/^sha256:/, "").slice(0, 12);

export interface Column {
  title: string;
  align?: "left" | "right";
  /** May be cut in the middle when the table is too wide. */
  flexible?: boolean;
}

/** Aligned columns with a header; cells are made printable. Flexible columns give way until the table fits `width`. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  options: TextOptions = {},
): string[] {
  const paint = options.paint ?? plain;
  const cells = rows.map((row) => columns.map((_, index) => printable(row[index] ?? "")));
  const widths = columns.map((column, index) =>
    Math.max(displayWidth(column.title), ...cells.map((row) => displayWidth(row[index] ?? ""))),
  );
  if (!options.verbose) shrink(columns, widths, options.width ?? 80);
  const line = (row: readonly string[]): string =>
    row
      .map((cell, index) => {
        const width = widths[index] ?? 0;
        const text = middle(cell, width);
        return columns[index]?.align === "right" ? padStart(text, width) : padEnd(text, width);
      })
      .join("  ")
      .trimEnd();
  return [paint("bold", line(columns.map((column) => column.title))), ...cells.map(line)];
}

function shrink(columns: readonly Column[], widths: number[], limit: number): void {
  const flexible = columns.flatMap((column, index) => (column.flexible ? [index] : []));
  let excess = widths.reduce((sum, width) => sum + width + 2, -2) - limit;
  while (excess > 0) {
    const widest = flexible.reduce<number | undefined>(
      (best, index) => (best === undefined || (widths[index] ?? 0) > (widths[best] ?? 0) ? index : best),
      undefined,
    );
    if (widest === undefined || (widths[widest] ?? 0) <= 8) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess -= 1;
  }
}
