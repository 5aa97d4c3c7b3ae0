import type { Random } from "./random.js";
import { GOOD, SPECIALS, WRONG, WRONG_KEYS } from "./yaml-values.js";

export interface Broken {
  name: string;
  text: string | Buffer;
}

export const specialConfigs = (): Broken[] => Object.entries(SPECIALS).map(([name, text]) => ({ name, text }));

/** A good storage.yaml after one to three changes that a hostile or careless hand can make. It may be good by chance. */
export function mutatedConfig({ below, pick }: Random, seed: number): Broken {
  let text = GOOD;
  const done: string[] = [];
  for (let round = 1 + below(3); round > 0; round--) {
    const [name, change] = pick(CHANGES);
    text = change(text, { below, pick });
    done.push(name);
  }
  return { name: `${done.join(", ")} (${seed})`, text };
}

type Change = (text: string, random: Random) => string;

/** Values and keys where they stand in the good file, in block and in flow style. */
const VALUE = /(?<=[:[,] )("[^"\n]*"|[^\s{}[\],"]+)/g;
const KEY = /[A-Za-z_][\w.]*(?=: )/g;

const atOne =
  (pattern: RegExp, make: (found: string, random: Random) => string): Change =>
  (text, random) => {
    const all = [...text.matchAll(pattern)];
    if (all.length === 0) return text;
    const found = random.pick(all);
    return text.slice(0, found.index) + make(found[0], random) + text.slice(found.index + found[0].length);
  };

const lines = (change: (lines: string[], random: Random) => string[]): Change => {
  return (text, random) => change(text.split("\n"), random).join("\n");
};

const SIGNS = [..."{}[]:,&*#?|->!%@`\"'\\\0\t\u0007\u202e\ufeff\ud800", "\r\n", ": ", "- ", " #", "${", "{{", "<<: "];

const CHANGES: readonly (readonly [string, Change])[] = [
  ["a wrong value", atOne(VALUE, (_, { pick }) => pick(WRONG))],
  ["a wrong value", atOne(VALUE, (_, { pick }) => pick(WRONG))],
  ["a value in a list", atOne(VALUE, (found) => `[${found}, ${found}]`)],
  ["a value in a mapping", atOne(VALUE, (found) => `{ value: ${found} }`)],
  ["two values exchanged", atOne(VALUE, (_, { pick }) => pick([...GOOD.matchAll(VALUE)])[0])],
  ["a longer value", atOne(VALUE, (found, { below }) => `"${found.replaceAll('"', "").repeat(2 + below(3000))}"`)],
  ["a wrong key", atOne(KEY, (_, { pick }) => pick(WRONG_KEYS))],
  ["a missing key", atOne(/ *[A-Za-z_][\w.]*: ("[^"\n]*"|[^\s{}[\],"]+),?/g, () => "")],
  ["a key twice", atOne(/( *)([A-Za-z_][\w.]*: ("[^"\n]*"|[^\s{}[\],"]+))/g, (found) => `${found}, ${found.trim()}`)],
  ["another key", atOne(KEY, (found, { pick }) => `${pick(WRONG_KEYS)}: 1, ${found}`)],
  ["a line lost", lines((all, { below }) => all.toSpliced(below(all.length), 1))],
  ["a line twice", lines((all, { below }) => duplicated(all, below(all.length)))],
  ["two lines exchanged", lines((all, { below }) => exchanged(all, below(all.length), below(all.length)))],
  ["a line moved in", lines((all, { below }) => all.with(below(all.length - 1), `   ${all[below(all.length - 1)]}`))],
  ["a sign too many", (text, { below, pick }) => inserted(text, below(text.length), pick(SIGNS))],
  ["a sign lost", (text, { below }) => atOnce(text, below(text.length))],
  ["cut off", (text, { below }) => text.slice(0, below(text.length))],
];

const duplicated = (all: string[], at: number): string[] => all.toSpliced(at, 0, all[at] ?? "");

function exchanged(all: string[], one: number, other: number): string[] {
  return all.with(one, all[other] ?? "").with(other, all[one] ?? "");
}

const inserted = (text: string, at: number, sign: string): string => text.slice(0, at) + sign + text.slice(at);
const atOnce = (text: string, at: number): string => text.slice(0, at) + text.slice(at + 1);
