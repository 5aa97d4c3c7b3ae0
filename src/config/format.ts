import { type Document, isAlias, isMap, isNode, isSeq, type Node, type Pair, visit, type YAMLMap, YAMLSeq } from "yaml";
import type { Diagnostic } from "./config.js";
import { type Findings, findings } from "./findings.js";
import { type Entries, lift, nameOf, writePlainly } from "./format-location.js";
import { orderKeys } from "./order.js";
import { byPriority, freeName, placementName } from "./rules.js";
import type { LocationEntry, StorageFile } from "./schema.gen.js";
import { isMapping, placementMatch, unwrap } from "./sugar.js";
import { checkShape } from "./text.js";
import { parseYaml, treeOf } from "./tree.js";
import { validate } from "./validate.js";

export interface FormatResult {
  text: string;
  diagnostics: Diagnostic[];
}

/**
 * The canonical form of a storage.yaml: keys in the order of the schema, older spellings rewritten, aliases written out, two
 * spaces of indentation. Comments and the spelling of values stay; the meaning (the config digest) never changes, and formatting
 * twice changes nothing. A text with errors is returned as it is, with what is wrong with it.
 */
export function formatConfig(text: string, file: string): FormatResult {
  const plain = text.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n");
  const found = findings(file, plain);
  const formatted = format(plain, found);
  return { text: found.failed || formatted === undefined ? text : formatted, diagnostics: found.list() };
}

function format(text: string, found: Findings): string | undefined {
  if (!checkShape(text, found)) return undefined;
  const document = parseYaml(text, found);
  if (!document) return undefined;
  const tree = unwrap(treeOf(document, { env: undefined, text, found }), found);
  if (tree === undefined) return undefined;
  if (!isMapping(tree) || !isMap(document.contents)) {
    found.error("WRONG_TYPE", 0, "storage.yaml must be a mapping", "It needs at least `locations:`.");
    return undefined;
  }
  validate(tree, found, { variables: true });
  if (found.failed) return undefined;
  writeAliasesOut(document);
  const root = document.contents as YAMLMap<Node, Node | null>;
  const header = takeHeader(root);
  lift(root, "storage");
  for (const location of itemsOf(root, "locations")) if (isMap(location)) writePlainly(document, location as Entries);
  writePlacements(document, root, tree as unknown as StorageFile, found);
  if (!root.has("version")) root.items.unshift(document.createPair("version", 1) as Pair<Node, Node>);
  orderKeys(root);
  if (header) root.commentBefore = header;
  padFlow(document);
  return document.toString({ indent: 2, indentSeq: true, lineWidth: 0, minContentWidth: 0 });
}

function itemsOf(map: Entries, key: string): unknown[] {
  const list = map.get(key, true) as unknown;
  return isSeq(list) ? list.items : [];
}

/** Order may put an alias before its anchor; and a rule reads better in full. `treeOf` has seen that it stays small. */
function writeAliasesOut(document: Document): void {
  const anchors = new Map<string, Node>();
  visit(document, (_, node) => {
    if (isAlias(node)) {
      const { comment, commentBefore, spaceBefore } = node;
      return withoutAnchors(
        Object.assign(anchors.get(node.source)!.clone() as Node, { comment, commentBefore, spaceBefore }),
      );
    }
    if (isNode(node) && "anchor" in node && node.anchor) anchors.set(node.anchor, node);
    return undefined;
  });
  if (document.contents) withoutAnchors(document.contents);
}

function withoutAnchors(node: Node): Node {
  visit(node, (_, inner) => {
    if (isNode(inner) && "anchor" in inner) delete inner.anchor;
  });
  return node;
}

/** The comment at the top is the file's, not that of its first key. */
function takeHeader(root: Entries): string {
  const first = root.items[0]?.key;
  const header = [root.commentBefore, first?.commentBefore].filter(Boolean).join("\n");
  delete root.commentBefore;
  if (first) delete first.commentBefore;
  return header;
}

/** `{ a: 1 }`, but `[a, b]`: the library knows one setting for both. */
function padFlow(document: Document): void {
  visit(document, {
    Collection: (_, node) => {
      const write = node.toString.bind(node) as (context: object, ...rest: unknown[]) => string;
      const flowCollectionPadding = isMap(node) ? " " : "";
      node.toString = ((context: object, ...rest: unknown[]) =>
        write({ ...context, flowCollectionPadding }, ...rest)) as typeof node.toString;
    },
  });
}

/** Every comment in a subtree. */
function allComments(pair: Pair): string {
  const all: string[] = [];
  visit(pair as unknown as Node, {
    Node: (_, node) => {
      for (const comment of [node.commentBefore, node.comment]) if (comment) all.push(comment);
    },
  });
  return all.join("\n");
}

/** `rules:` under locations become rules behind those of the file and before the default. */
function writePlacements(document: Document, root: Entries, tree: StorageFile, found: Findings): void {
  const action = tree.settings?.placement_action ?? "copy";
  const taken = new Set((tree.rules ?? []).flatMap((rule) => ("name" in rule && rule.name ? [rule.name] : [])));
  const nodes = itemsOf(root, "locations");
  const rules = byPriority(tree.locations ?? []).flatMap((location) => {
    const rule = placementRule(location, action, taken, found);
    if (!rule) return [];
    const node = document.createNode(rule) as unknown as Entries;
    const match = node.get("match", true) as unknown;
    visit(match as Node, {
      Collection: (_, inner) => {
        inner.flow = true;
      },
    });
    const at = nodes[tree.locations!.indexOf(location)] as Entries;
    const comment = takeRules(at);
    if (comment) node.commentBefore = comment;
    return [node];
  });
  if (rules.length === 0) return;
  const written = root.get("rules", true) as unknown;
  const list = isSeq(written) ? written : new YAMLSeq();
  if (!isSeq(written)) root.set(document.createNode("rules"), list);
  const all = list.items;
  const last = all.at(-1);
  const end = isMap(last) && last.has("default") ? all.length - 1 : all.length;
  all.splice(end, 0, ...rules);
}

function placementRule(
  location: LocationEntry,
  action: "copy" | "move",
  taken: Set<string>,
  found: Findings,
): object | undefined {
  const match = placementMatch(location.rules ?? [], found);
  return found.failed
    ? undefined
    : { name: freeName(placementName(location.name), taken), match, action, destination: location.name };
}

/** Takes `rules:` out of a location; returns the comments that were in it. */
function takeRules(location: Entries): string {
  const index = location.items.findIndex((pair) => nameOf(pair) === "rules");
  const [pair] = index < 0 ? [] : location.items.splice(index, 1);
  return pair ? allComments(pair) : "";
}
