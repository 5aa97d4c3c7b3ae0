import { bad, CLASS_COST, charClass, escapeSequence, quote, regexp } from "./regexp.js";

/** `path`: whole path elements from the end, or from the root after `/`. `name`: one element. `text`: a whole value. */
export type GlobKind = "path" | "name" | "text" | "layout";

export interface Glob {
  /** NFC, as written otherwise. */
  glob: string;
  /** RE2 syntax for a full match; linear time by construction. A pattern is never run by V8. */
  re2: string;
  /** Literal text that each match starts or ends with: a cheap test before the expression. */
  prefix?: string;
  suffix?: string;
  /** Names of the groups `{name}` of a layout, in order; empty for other kinds. */
  captures: string[];
}

const MAX_LENGTH = 4096;
/** RE2 refuses programs of more than some 80,000 instructions; these weights stay far below. */
const MAX_COST = 60_000;
const MAX_BRACES = 50;

/**
 * Compiles rclone's glob language to RE2: `*` and `?` stop at `/`, `**` crosses it, `[a-z]` `[!a]`, `{a,b}` (nested),
 * `{{regexp}}`, `\` escapes; a trailing `/` means `/**`. Matching is on NFC and is case-sensitive.
 * @throws `BAD_GLOB` for what can not be a pattern, with the reason
 */
export function compileGlob(glob: string, kind: GlobKind): Glob {
  const text = glob.normalize("NFC");
  if (text === "") throw bad("an empty pattern matches nothing", 'Write "**" to match everything.');
  if (text.length > MAX_LENGTH) throw bad(`the pattern is longer than ${MAX_LENGTH} characters`);
  if (/[\ud800-\udfff]/u.test(text)) throw bad("the pattern is not valid Unicode");
  const whole = (kind === "path" || kind === "layout") && text.endsWith("/") ? `${text}**` : text;
  const anchored = kind !== "path" || whole.startsWith("/");
  const rooted = (kind === "path" || kind === "layout") && whole.startsWith("/");
  const scan = scanner([...(rooted ? whole.slice(1) : whole)], kind);
  while (scan.at < scan.chars.length) step(scan);
  if (scan.depth > 0) throw bad("mismatched { and }");
  if (scan.cost > MAX_COST) throw bad("the pattern is too complex");
  const re2 = anchored ? `(?s)${scan.out}` : `(?s)(?:.*/)?${scan.out}`;
  return {
    glob: text,
    re2,
    ...(anchored && scan.head ? { prefix: scan.head } : {}),
    ...(scan.tail ? { suffix: scan.tail } : {}),
    captures: scan.captures,
  };
}

/** Backslashes before every character that means something in a pattern. */
export const escapeGlob = (text: string): string => text.replace(/[*?[\]{}\\]/g, "\\$&");

/** True when the text is no pattern but a plain value. */
export const isLiteral = (text: string): boolean => !/[*?[\]{}\\]/.test(text);

interface Scanner {
  chars: string[];
  kind: GlobKind;
  at: number;
  out: string;
  depth: number;
  cost: number;
  captures: string[];
  /** Literal text from the start, while there was nothing else. */
  head: string;
  headOpen: boolean;
  /** Literal text since the last thing that was none. */
  tail: string;
}

const scanner = (chars: string[], kind: GlobKind): Scanner => {
  return { chars, kind, at: 0, out: "", depth: 0, cost: 0, captures: [], head: "", headOpen: true, tail: "" };
};

function literal(scan: Scanner, char: string): void {
  if (char === "/" && scan.kind === "name")
    throw bad('a "/" can not be in a name', "Match the whole path with `path`.");
  scan.out += quote(char);
  scan.cost += 1;
  if (scan.depth > 0) return;
  if (scan.headOpen) scan.head += char;
  scan.tail += char;
}

function special(scan: Scanner, out: string, cost: number): void {
  scan.out += out;
  scan.cost += cost;
  scan.headOpen = false;
  scan.tail = "";
}

function step(scan: Scanner): void {
  const char = scan.chars[scan.at]!;
  const paths = scan.kind !== "text";
  scan.at += 1;
  switch (char) {
    case "*":
      stars(scan, paths);
      break;
    case "?":
      special(scan, paths ? "[^/]" : ".", 10);
      break;
    case "[": {
      const [re2, next, cost] = charClass(scan.chars, scan.at, "!^");
      scan.at = next;
      special(scan, re2, cost);
      break;
    }
    case "]":
      throw bad("mismatched [ and ]", "Write \\] for the character.");
    case "{":
      open(scan);
      break;
    case "}":
      if (scan.depth === 0) throw bad("mismatched { and }", "Write \\} for the character.");
      scan.depth -= 1;
      special(scan, ")", 1);
      break;
    case ",":
      if (scan.depth > 0) special(scan, "|", 1);
      else literal(scan, char);
      break;
    case "\\": {
      const [escaped, next] = escapeSequence(scan.chars, scan.at);
      scan.at = next;
      if ([...escaped].length === 1) literal(scan, escaped);
      else special(scan, escaped, CLASS_COST);
      break;
    }
    default:
      literal(scan, char);
      break;
  }
}

function stars(scan: Scanner, paths: boolean): void {
  let count = 1;
  for (; scan.chars[scan.at] === "*"; scan.at += 1) count += 1;
  if (count > 2) throw bad("too many stars");
  special(scan, paths && count === 1 ? "[^/]*" : ".*", 10);
}

/** `{a,b}`, `{{regexp}}` and, in a layout, `{name}`. */
function open(scan: Scanner): void {
  const rest = scan.chars.slice(scan.at, scan.at + 200).join("");
  if (rest.startsWith("{")) {
    let end = scan.chars.findIndex((char, index) => index > scan.at && char === "}" && scan.chars[index + 1] === "}");
    if (end < 0) throw bad("mismatched {{ and }}");
    while (scan.chars[end + 2] === "}") end += 1;
    const [re2, cost] = regexp(scan.chars.slice(scan.at + 1, end));
    scan.at = end + 2;
    special(scan, `(?:${re2})`, cost);
    return;
  }
  const capture = scan.kind === "layout" ? /^(?:attr\.)?([A-Za-z_][A-Za-z0-9_]*)\}/.exec(rest) : null;
  if (!capture) {
    scan.depth += 1;
    if (scan.depth > MAX_BRACES) throw bad("braces are nested too deeply");
    special(scan, "(?:", 1);
    return;
  }
  const name = capture[1]!;
  if (scan.depth > 0) throw bad(`{${name}} can not be inside braces`);
  if (scan.captures.includes(name)) throw bad(`{${name}} is there twice`);
  scan.captures.push(name);
  scan.at += capture[0].length;
  special(scan, `(?P<${name}>[^/]+)`, 10);
}
