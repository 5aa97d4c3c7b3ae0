import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
} from "yaml";
import type { Findings, Mark, Marks } from "./findings.js";
import { convertScalar, startOf, type TreeOptions, type Walk } from "./scalar.js";
import { MAX_DEPTH } from "./text.js";

/** A mapping of the file; without a prototype, so that no key has a meaning of its own. */
export type Mapping = Record<string, unknown>;

/** Anchors may multiply what a small file says; this is where it ends. */
const MAX_NODES = 100_000;
const MAX_ERRORS = 200;

/** Parses YAML 1.2 (core schema), reporting every syntax error. `checkShape` must have passed. */
export function parseYaml(text: string, found: Findings): Document.Parsed | undefined {
  const document = withoutStacks(() =>
    parseDocument(text, {
      version: "1.2",
      schema: "core",
      uniqueKeys: false,
      prettyErrors: false,
      logLevel: "error",
    }),
  );
  for (const error of document.errors.slice(0, MAX_ERRORS))
    found.error("YAML", error.pos[0], syntaxMessage(error), syntaxHint(error.pos[0], text));
  for (const warning of document.warnings.slice(0, MAX_ERRORS))
    found.error("YAML", warning.pos[0], firstLine(warning.message));
  if (document.directives.yaml.explicit && document.directives.yaml.version !== "1.2") {
    found.error("YAML", 0, "storage.yaml is YAML 1.2", "Remove the %YAML line.");
  }
  return document.errors.length > 0 ? undefined : document;
}

/** The library makes an error of each syntax error, and there may be 100,000: nobody looks at their stacks, which cost the most. */
function withoutStacks<T>(body: () => T): T {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return body();
  } finally {
    Error.stackTraceLimit = limit;
  }
}

const firstLine = (message: string): string => message.split("\n", 1)[0]!;

function syntaxMessage(error: { code: string; message: string }): string {
  if (error.code === "MULTIPLE_DOCS") return "the file has more than one YAML document; only one is read";
  // The parser may show a piece of the text, which may be a secret.
  return `YAML: ${firstLine(error.message).replace(/: "(?=.*[A-Za-z0-9]).*$/, "")}`;
}

function syntaxHint(offset: number, text: string): string | undefined {
  const before = text.slice(Math.max(0, offset - 200), offset);
  const after = text.slice(offset, offset + 200);
  const line = before.slice(before.lastIndexOf("\n") + 1) + after.split("\n", 1)[0];
  const bracket = line.search(/[{[]/);
  if (bracket >= 0 && line.includes("${", bracket + 1))
    return "Between { } and [ ], a value with a variable in it needs quotes.";
  return line.includes("\t") ? "Indent with spaces, not tabs." : undefined;
}

/**
 * Plain values from a document: mappings without prototype, with their places in `found.marks`, and variables put in.
 * `undefined` = aliases lead nowhere or too far, which is reported.
 */
export function treeOf(document: Document.Parsed, options: TreeOptions): unknown {
  const walk: Walk = { ...options, ...fresh(), secrets: new Map(), hasLiteral: false, again: false };
  const tree = convert(document.contents, 0, walk);
  if (walk.broken) return undefined;
  if (!walk.hasLiteral && !walk.uses.some((name) => walk.secrets.has(name))) return tree;
  // Now that every secret is known, no other value shows one. Findings are told once.
  return convert(document.contents, 0, { ...walk, ...fresh(), again: true });
}

const fresh = () => ({ nodes: 0, broken: false, anchors: new Map<string, Node>(), aliased: false, path: [], uses: [] });

function convert(node: Node | null | undefined, depth: number, walk: Walk): unknown {
  walk.nodes += 1;
  if (depth > MAX_DEPTH || walk.nodes > MAX_NODES) {
    if (walk.broken) return undefined;
    walk.broken = true;
    walk.found.error("TOO_DEEP", startOf(node), "aliases make this too large", "Write the values out.");
    return undefined;
  }
  if (isAlias(node)) return convertAlias(node, depth, walk);
  if (node?.anchor && !walk.aliased) walk.anchors.set(node.anchor, node);
  if (isMap(node)) return convertMap(node as YAMLMap<Node, Node | null>, depth, walk);
  if (isSeq(node)) {
    const list: unknown[] = [];
    const marks: Marks = { self: startOf(node), of: new Map() };
    walk.found.marks.set(list, marks);
    for (const item of node.items as (Node | null)[]) {
      const at = item ? startOf(item) : marks.self;
      marks.of.set(list.length, { key: at, value: at });
      list.push(convert(item, depth + 1, walk));
    }
    return list;
  }
  return isScalar(node) ? convertScalar(node, walk) : null;
}

function convertAlias(node: Alias, depth: number, walk: Walk): unknown {
  const target = walk.anchors.get(node.source);
  if (target) {
    const { aliased } = walk;
    walk.aliased = true;
    const value = convert(target, depth + 1, walk);
    walk.aliased = aliased;
    return value;
  }
  walk.broken = true;
  walk.found.error("YAML", startOf(node), `there is no anchor &${node.source} before this`);
  return undefined;
}

function convertMap(node: YAMLMap<Node, Node | null>, depth: number, walk: Walk): Mapping {
  const mapping = Object.create(null) as Mapping;
  const marks: Marks = { self: startOf(node), of: new Map() };
  walk.found.marks.set(mapping, marks);
  for (const pair of node.items) {
    const key = keyOf(pair, walk);
    if (key === undefined) continue;
    const start = startOf(pair.key);
    if (marks.of.has(key)) {
      walk.found.error(
        "DUPLICATE_KEY",
        start,
        `the key "${key}" is there twice`,
        `First in line ${walk.found.line(marks.of.get(key)!.key)}.`,
      );
      continue;
    }
    const value = pair.value;
    const mark: Mark = { key: start, value: value?.range && value.range[1] > value.range[0] ? startOf(value) : start };
    marks.of.set(key, mark);
    walk.path.push(key);
    mapping[key] = convert(value, depth + 1, walk);
    walk.path.pop();
  }
  return mapping;
}

function keyOf(pair: Pair<Node, Node | null>, walk: Walk): string | undefined {
  const key: Node | undefined = isAlias(pair.key) ? walk.anchors.get(pair.key.source) : pair.key;
  if (key?.anchor && !walk.aliased) walk.anchors.set(key.anchor, key);
  if (!isScalar(key)) {
    walk.found.error("YAML", startOf(pair.key), "a key must be a text");
    return undefined;
  }
  if (key.value === "<<" && key.type === "PLAIN") {
    walk.found.error("YAML", startOf(key), "merge keys (<<) are not part of YAML 1.2", "Write the keys out.");
    return undefined;
  }
  return typeof key.value === "string" ? key.value : (key.source ?? String(key.value));
}
