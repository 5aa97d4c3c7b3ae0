/** Where the reading stands. Once it is `odd` nothing of it counts. */
export interface Scan {
  readonly text: string;
  at: number;
  /** The element that was opened last has closed itself. */
  empty: boolean;
  odd: boolean;
}

/** Calls `each` for the elements below the one that was opened last, and leaves it. There is nothing else in it. */
export function inside(scan: Scan, element: string, each: (name: string) => void): void {
  // Empty, it would be a text to the SDK.
  if (scan.empty) scan.odd = true;
  const { text } = scan;
  while (!scan.odd) {
    while (isBlank(text.charCodeAt(scan.at))) scan.at++;
    if (text.charCodeAt(scan.at) !== LESS) scan.odd = true;
    else if (text.charCodeAt(scan.at + 1) !== SLASH) each(open(scan));
    else {
      close(scan, element);
      return;
    }
  }
}

const [LESS, SLASH] = [0x3c, 0x2f];
const isBlank = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x09;
/** Some of the signs that are blank to JavaScript have high numbers. */
const mayBeBlank = (code: number): boolean => code <= 0x20 || code >= 0xa0;
const isLetter = (code: number): boolean => (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
const NAME = /^[A-Za-z]\w*$/;

/** The name of the element that begins here. */
function open(scan: Scan): string {
  const { text, at } = scan;
  const end = text.indexOf(">", at);
  scan.empty = text.charCodeAt(end - 1) === SLASH;
  const name = text.slice(at + 1, scan.empty ? end - 1 : end);
  // Attributes would have to be closed too, but for an empty element.
  if (end < 0 || !isLetter(text.charCodeAt(at + 1)) || (scan.empty && !NAME.test(name))) scan.odd = true;
  scan.at = end + 1;
  return name;
}

function close(scan: Scan, element: string): void {
  const { text, at } = scan;
  const end = at + 2 + element.length;
  if (!text.startsWith(element, at + 2) || text[end] !== ">") scan.odd = true;
  scan.at = end + 1;
}

/** The text of the element, which was not there before. */
export function once(scan: Scan, element: string, before: unknown): string {
  if (before !== undefined) scan.odd = true;
  if (scan.empty) return "";
  const { text, at } = scan;
  const end = text.indexOf("<", at);
  if (end < 0 || scan.odd) return odd(scan);
  scan.at = end;
  close(scan, element);
  const raw = text.slice(at, end);
  const value = raw.includes("&") ? decoded(scan, raw) : raw;
  // What is only blank may be none.
  return mayBeBlank(value.charCodeAt(0)) && value.trim() === "" ? odd(scan) : value;
}

function odd(scan: Scan): string {
  scan.odd = true;
  return "";
}

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const ENTITY = /&(?:#x([0-9a-fA-F]{1,6})|#(\d{1,7})|(\w+));|&/g;

const decoded = (scan: Scan, value: string): string =>
  value.replace(ENTITY, (_, hex?: string, decimal?: string, named = "") => {
    if (hex === undefined && decimal === undefined) return ENTITIES[named] ?? odd(scan);
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : odd(scan);
  });

/** Deeper than any listing. */
const DEEPEST = 8;

export function skip(scan: Scan, element: string, depth = 0): void {
  if (depth > DEEPEST) scan.odd = true;
  if (scan.empty || scan.odd) return;
  const { text, at } = scan;
  const next = text.indexOf("<", at);
  if (next < 0) scan.odd = true;
  else if (text.charCodeAt(next + 1) !== SLASH) inside(scan, element, (name) => skip(scan, name, depth + 1));
  else {
    scan.at = next;
    close(scan, element);
  }
}

export function yes(scan: Scan, value: string): boolean {
  if (value !== "true" && value !== "false") scan.odd = true;
  return value === "true";
}

const COUNT = /^\d{1,15}$/;
export function count(scan: Scan, value: string): number {
  if (!COUNT.test(value)) scan.odd = true;
  return Number(value);
}

const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z$/;
export function date(scan: Scan, value: string): Date {
  const found = new Date(value);
  if (!DATE.test(value) || Number.isNaN(found.getTime())) scan.odd = true;
  return found;
}
