import { StowageError } from "../lib/error.js";

/**
 * The parts of a pattern that are RE2 syntax: `{{regexp}}`, `[classes]`, `\\` escapes. They are checked and rewritten here,
 * because RE2 itself is only there when the catalog is open, and a bad pattern has to be found when storage.yaml is read.
 */
export const bad = (message: string, hint?: string): StowageError =>
  new StowageError("BAD_GLOB", message, hint === undefined ? {} : { hint });

/** One literal character in RE2 syntax. */
export const quote = (char: string): string => (/[\\.+*?()|[\]{}^$]/.test(char) ? `\\${char}` : char);

/** RE2's own limit for a count, and for the product of nested counts. */
const MAX_REPEAT = 1000;
const MAX_GROUPS = 100;
/** Of a Unicode class: some 200 instructions. */
export const CLASS_COST = 250;
const POSIX = "alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit".split(" ");

interface Group {
  /** Of the alternatives so far, without the last atom. */
  cost: number;
  /** Cost and repetition of what a `*` here would repeat; undefined = nothing. */
  atom: { cost: number; repeat: number } | undefined;
  /** The highest product of counts inside. */
  repeat: number;
}

/**
 * Checks a regular expression and returns it in the syntax that stowage runs: no capturing groups, nothing that RE2
 * refuses. The second value is its cost: how large RE2's program for it may get, roughly.
 * @throws `BAD_GLOB` with the reason
 */
export function regexp(chars: readonly string[]): [string, number] {
  const groups: Group[] = [{ cost: 0, atom: undefined, repeat: 1 }];
  let out = "";
  for (let at = 0; at < chars.length; ) {
    const [text, next] = token(chars, at, groups);
    out += text;
    at = next;
  }
  const [group, ...rest] = groups;
  if (rest.length > 0) throw bad("mismatched ( and ) in the regular expression");
  settle(group!);
  return [out, group!.cost];
}

function settle(group: Group): void {
  group.cost += group.atom?.cost ?? 0;
  group.repeat = Math.max(group.repeat, group.atom?.repeat ?? 1);
  group.atom = undefined;
}

function token(chars: readonly string[], at: number, groups: Group[]): [string, number] {
  const group = groups.at(-1)!;
  const atom = (text: string, next: number, cost: number): [string, number] => {
    settle(group);
    group.atom = { cost, repeat: 1 };
    return [text, next];
  };
  const char = chars[at]!;
  switch (char) {
    case "(":
      return open(chars, at, groups);
    case ")":
      close(groups);
      return [")", at + 1];
    case "|":
      settle(group);
      group.cost += 1;
      return ["|", at + 1];
    case "*":
    case "+":
    case "?":
      return repeat(chars, at, group, char, 1, at + 1);
    case "{": {
      const counts = countsAt(chars, at);
      return counts ? repeat(chars, at, group, counts[0], counts[1], at + counts[0].length) : atom("\\{", at + 1, 1);
    }
    case "[": {
      const [text, next, cost] = charClass(chars, at + 1, "^");
      return atom(text, next, cost);
    }
    case "\\":
      return special(chars, at, atom);
    case ".":
      return atom(".", at + 1, 10);
    case "^":
    case "$":
      return atom(char, at + 1, 1);
    default:
      return atom(quote(char), at + 1, 4);
  }
}

function close(groups: Group[]): void {
  if (groups.length === 1) throw bad("mismatched ( and ) in the regular expression");
  const inner = groups.pop()!;
  settle(inner);
  const outer = groups.at(-1)!;
  settle(outer);
  outer.atom = { cost: inner.cost + 2, repeat: inner.repeat };
}

/** `{2}` `{2,}` `{2,5}`: the text and the highest count; anything else is a literal brace. */
function countsAt(chars: readonly string[], at: number): [text: string, times: number] | undefined {
  const counts = /^\{(\d{1,6})(?:(,)(\d{0,6}))?\}/.exec(chars.slice(at, at + 16).join(""));
  if (!counts) return undefined;
  const low = Number(counts[1]);
  const high = counts[2] && counts[3] ? Number(counts[3]) : low;
  if (low > high || high > MAX_REPEAT) {
    throw bad(`bad repetition ${counts[0]} in the regular expression`, `At most ${MAX_REPEAT}.`);
  }
  return [counts[0], Math.max(high, 1)];
}

/** What only a regular expression has behind a backslash: positions and code points. */
function special(
  chars: readonly string[],
  at: number,
  atom: (text: string, next: number, cost: number) => [string, number],
): [string, number] {
  const char = chars[at + 1] ?? "";
  if (/[1-9]/.test(char))
    throw bad(`the regular expression has a back reference (\\${char})`, "RE2 has none, so that every match is fast.");
  if (char !== "" && "bBAz".includes(char)) return atom(`\\${char}`, at + 2, 1);
  const code =
    char === "x" ? /^(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})/.exec(chars.slice(at + 2, at + 10).join("")) : null;
  if (code) {
    const point = Number.parseInt(code[1] ?? code[2]!, 16);
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) throw bad(`\\x${code[0]} is no character`);
    return atom(`\\x{${point.toString(16)}}`, at + 2 + code[0].length, 4);
  }
  const [text, next] = escapeSequence(chars, at + 1);
  return [...text].length === 1 ? atom(quote(text), next, 4) : atom(text, next, text.length === 2 ? 20 : CLASS_COST);
}

function open(chars: readonly string[], at: number, groups: Group[]): [string, number] {
  const rest = chars.slice(at, at + 60).join("");
  if (/^\(\?<?[=!]/.test(rest))
    throw bad("the regular expression looks ahead or behind", "RE2 can not, so that every match is fast.");
  const flags = /^\(\?([imsU]*(?:-[imsU]+)?)([:)])/.exec(rest);
  const named = /^\(\?P?<\w+>/.exec(rest);
  if (rest.startsWith("(?") && !named && (!flags || (flags[1] === "" && flags[2] === ")"))) {
    throw bad("the regular expression has an unknown kind of group", "There are (…), (?:…), (?i) and (?i:…).");
  }
  if (flags?.[2] === ")") {
    settle(groups.at(-1)!);
    return [flags[0], at + flags[0].length];
  }
  if (groups.length > MAX_GROUPS) throw bad("groups are nested too deeply in the regular expression");
  groups.push({ cost: 0, atom: undefined, repeat: 1 });
  return flags ? [flags[0], at + flags[0].length] : ["(?:", at + (named?.[0].length ?? 1)];
}

function repeat(
  chars: readonly string[],
  at: number,
  group: Group,
  text: string,
  times: number,
  next: number,
): [string, number] {
  if (!group.atom)
    throw bad(`nothing before ${text} in the regular expression`, `Write \\${chars[at]} for the character.`);
  const total = group.atom.repeat * times;
  if (total > MAX_REPEAT) throw bad(`repetitions of repetitions in the regular expression: more than ${MAX_REPEAT}`);
  group.cost += group.atom.cost * times + 2;
  group.repeat = Math.max(group.repeat, total);
  group.atom = undefined;
  const lazy = chars[next] === "?" ? "?" : "";
  return [text + lazy, next + lazy.length];
}

/** After a backslash: one literal character, or a class in RE2 syntax. */
export function escapeSequence(chars: readonly string[], at: number): [string, number] {
  const char = chars[at];
  if (char === undefined) throw bad("the pattern ends with a lone backslash", "Write \\\\ for the character.");
  if ("dDsSwW".includes(char)) return [`\\${char}`, at + 1];
  if (char === "p" || char === "P") {
    const name = /^\{(\^?[A-Za-z_]+)\}|^([A-Z])/.exec(chars.slice(at + 1, at + 40).join(""));
    const known = name?.[1]?.replace("^", "") ?? name?.[2];
    if (!name || !known || !unicodeClass(known))
      throw bad(`\\${char} needs a Unicode class such as \\pL or \\p{Greek}`);
    return [`\\${char}${name[0]}`, at + 1 + name[0].length];
  }
  const control = { t: "\t", n: "\n", r: "\r", f: "\f", v: "\v", a: "\x07" }[char];
  if (control) return [control, at + 1];
  if (/[A-Za-z0-9]/.test(char)) throw bad(`\\${char} is no escape`, `Write ${char} for the character.`);
  return [char, at + 1];
}

/** General categories and scripts that RE2 knows. */
const SCRIPTS =
  `Adlam Ahom Anatolian_Hieroglyphs Any Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki
  Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee Common Coptic
  Cuneiform Cypriot Cyrillic Deseret Devanagari Egyptian_Hieroglyphs Ethiopic Georgian Glagolitic Gothic Greek Gujarati Gurmukhi
  Han Hangul Hebrew Hiragana Inherited Javanese Kannada Katakana Khmer Lao Latin Malayalam Mongolian Myanmar Oriya Runic
  Sinhala Syriac Tamil Telugu Thaana Thai Tibetan`.split(/\s+/);
const unicodeClass = (name: string): boolean =>
  SCRIPTS.includes(name) || /^(C[cfos]?|L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?)$/.test(name);

/** From behind `[`: the class in RE2 syntax, the index behind `]`, the cost. */
export function charClass(chars: readonly string[], start: number, negators: string): [string, number, number] {
  let at = start;
  let out = "[";
  let cost = 10;
  if (chars[at] !== undefined && negators.includes(chars[at]!)) {
    out += "^";
    at += 1;
  }
  const first = at;
  for (; chars[at] !== "]"; cost += 4) {
    if (chars[at] === undefined) throw bad("mismatched [ and ]");
    const named =
      chars[at] === "[" && chars[at + 1] === ":" ? /^\[:(\^?)(\w+):\]/.exec(chars.slice(at, at + 14).join("")) : null;
    if (named) {
      if (!POSIX.includes(named[2]!))
        throw bad(`[:${named[2]}:] is no character class`, `There are: ${POSIX.join(" ")}.`);
      out += named[0];
      at += named[0].length;
      continue;
    }
    const [low, next] = member(chars, at);
    at = next;
    if (low.length > 1 && low.startsWith("\\")) cost += CLASS_COST;
    if (chars[at] !== "-" || chars[at + 1] === "]" || chars[at + 1] === undefined) {
      out += inClass(low);
      continue;
    }
    const [high, behind] = member(chars, at + 1);
    at = behind;
    if ([...low].length > 1 || [...high].length > 1 || low.codePointAt(0)! > high.codePointAt(0)!) {
      throw bad(`bad range ${low}-${high} in a character class`, "Write \\- for the character.");
    }
    out += `${inClass(low)}-${inClass(high)}`;
  }
  if (at === first) throw bad("an empty character class", "Write \\[\\] for the characters.");
  return [`${out}]`, at + 1, cost];
}

const member = (chars: readonly string[], at: number): [string, number] =>
  chars[at] === "\\" ? escapeSequence(chars, at + 1) : [chars[at]!, at + 1];

const inClass = (member: string): string => ([...member].length > 1 ? member : member.replace(/[\\\]^[-]/, "\\$&"));
