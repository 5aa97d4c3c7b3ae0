import type { Node, Scalar } from "yaml";
import type { Findings } from "./findings.js";
import { type Environment, type Interpolated, interpolate, isSecret } from "./interpolate.js";
import { exampleOf, isOneVariable, type Secrecy, secrecyOf } from "./secrets.js";

export interface TreeOptions {
  /** Undefined = leave `${…}` as it is written. */
  env: Environment | undefined;
  text: string;
  found: Findings;
}

/** A walk through a document. */
export interface Walk extends TreeOptions {
  nodes: number;
  broken: boolean;
  /** What each anchor means here: the library searches the document for every alias. */
  anchors: Map<string, Node>;
  /** The keys that lead to where the walk is. */
  path: string[];
  /** Variables where a value may be seen, and variables in secret fields, with their places. */
  uses: string[];
  secrets: Map<string, number>;
  /** A secret stands in the file. */
  hasLiteral: boolean;
  /** Every secret is known from a walk before this one. */
  again: boolean;
  /** Inside of what an alias stands for, anchors have been seen before. */
  aliased: boolean;
}

export const startOf = (node: Node | null | undefined): number => node?.range?.[0] ?? 0;

/** The value, with variables put in. What is a secret is told to the findings; where it must not be, that is reported. */
export function convertScalar(node: Scalar, walk: Walk): unknown {
  const { value } = node;
  const secrecy = secrecyOf(walk.path, value);
  if (secrecy === "secret" && !isOneVariable(value)) return literalSecret(node, walk);
  if (typeof value !== "string") return value;
  const text = walk.env === undefined || !value.includes("$") ? value : putIn(value, walk.env, secrecy, node, walk);
  return walk.again && secrecy !== "secret" ? walk.found.redact(text) : text;
}

/** The text with the variables' values; as it is where one is not known. */
function putIn(value: string, env: Environment, secrecy: Secrecy, node: Scalar, walk: Walk): string {
  const result = interpolate(value, env);
  const start = startOf(node);
  let isOpen = false;
  for (const { name, value: inner } of result.used) {
    if (secrecy === "secret") walk.secrets.set(name, start);
    else if (secrecy !== "quiet") walk.uses.push(name);
    if (secrecy !== "secret" && !isSecret(name) && !walk.secrets.has(name)) continue;
    walk.found.keepSecret(inner, name);
    isOpen = isTooOpen(name, secrecy, start, walk) || isOpen;
  }
  if (result.problems.length === 0) return isOpen ? walk.found.redact(result.text) : result.text;
  tellProblems(result.problems, value, node, walk);
  return value;
}

function tellProblems(problems: Interpolated["problems"], value: string, node: Scalar, { found, text }: Walk): void {
  const [start, end] = [startOf(node), node.range?.[1] ?? startOf(node)];
  let from = start;
  for (const problem of problems) {
    const written = text.slice(from, end);
    const shown = value.slice(problem.index, problem.index + 20).split(/[\n}]/, 1)[0]!;
    const inside = written.indexOf(shown);
    found.error("VARIABLE", inside < 0 ? start : from + inside, problem.message, problem.hint);
    if (inside >= 0) from += inside + shown.length;
  }
  found.mute(start);
}

/** Reports a secret that stands in the file; its value goes nowhere. */
function literalSecret(node: Scalar, walk: Walk): undefined {
  const { found, path } = walk;
  walk.hasLiteral = true;
  const key = path.at(-1)!;
  const text = String(node.value);
  found.keepSecret(text, key);
  const partly = text.includes("${") ? ": one variable and nothing else" : "";
  found.error(
    "SECRET",
    startOf(node),
    `"${key}" is a secret, which does not belong into this file${partly}`,
    `Write ${key}: "${exampleOf(path)}" and set that variable. What was ever committed is to be replaced.`,
  );
  found.mute(startOf(node));
  return undefined;
}

/** True where a value would be seen, which is reported. Where a directory is has to be known to plans, so that is a warning. */
function isTooOpen(name: string, secrecy: Secrecy, start: number, { found, secrets }: Walk): boolean {
  if (secrecy === "secret" || secrecy === "quiet") return false;
  const held = secrets.get(name);
  if (held !== undefined) {
    const where = `the variable ${name} holds a secret (line ${found.line(held)})`;
    found.error("SECRET", start, `${where}, and a value here would be shown`, "Take another variable.");
    return true;
  }
  const fact = `the variable ${name} is named like a secret`;
  const hint = "Give it another name, if it is none.";
  if (secrecy === "path") found.warning("SECRET", start, `${fact}, but paths are shown in plans`, hint);
  else found.error("SECRET", start, `${fact}, and a value here would be shown in plans`, hint);
  return secrecy !== "path";
}
