import { isMap, isScalar, isSeq, type Node, type Pair, type YAMLMap } from "yaml";
import { schemaText } from "./validate.js";

interface Schema {
  $ref?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  then?: Schema;
  else?: Schema;
}

type Entries = YAMLMap<Node, Node | null>;

/** Puts the keys of every mapping into the order of the schema; the keys of a match stay in the order in which they are read. */
export function orderKeys(root: Entries): void {
  const schema = JSON.parse(schemaText()) as Schema & { $defs: Record<string, Schema> };
  const lookUp = (part: Schema): Schema => {
    const name = part.$ref?.split("/").at(-1);
    return name === undefined ? part : lookUp(schema.$defs[name]!);
  };
  const walk = (node: unknown, of: Schema, isWhole: boolean): void => {
    const found = lookUp(of);
    if (isSeq(node) && found.items) for (const item of node.items) walk(item, found.items, true);
    if (!isMap(node) || found === schema.$defs["match"]) return;
    const map = node as Entries;
    const known =
      found.then && found.else && !found.properties ? lookUp(map.has("default") ? found.then : found.else) : found;
    order(map, Object.keys(known.properties ?? {}), isWhole);
    for (const pair of map.items) {
      const inner = known.properties?.[String(keyOf(pair))];
      if (inner) walk(pair.value, inner, false);
    }
  };
  walk(root, schema, false);
  for (const [index, pair] of root.items.entries()) pair.key.spaceBefore = index > 0;
}

const keyOf = (pair: Pair<Node, unknown>): unknown => (isScalar(pair.key) ? pair.key.value : undefined);

/** Unknown keys go last, in their order. The comment above the first key moves with it, unless it is that of the whole. */
function order(map: Entries, keys: readonly string[], isWhole: boolean): void {
  const rank = (pair: Pair<Node, unknown>): number => {
    const index = keys.indexOf(String(keyOf(pair)));
    return index < 0 ? keys.length : index;
  };
  const first = map.items[0];
  map.items.sort((a, b) => rank(a) - rank(b));
  const now = map.items[0];
  if (!first || !now) return;
  delete now.key.spaceBefore;
  if (isWhole) {
    hoist(map, now.key);
    return;
  }
  if (first === now || !map.commentBefore) return;
  first.key.commentBefore = [map.commentBefore, first.key.commentBefore].filter(Boolean).join("\n");
  delete map.commentBefore;
}

/** The comment of an item's first key would stand between the dash and the key: it goes above the dash. */
function hoist(map: Entries, key: Node): void {
  if (!key.commentBefore) return;
  map.commentBefore = [map.commentBefore, key.commentBefore].filter(Boolean).join("\n");
  delete key.commentBefore;
}
