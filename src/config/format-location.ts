import { type Document, isMap, isScalar, type Node, type Pair, YAMLMap } from "yaml";
import { SEED_CREDENTIALS } from "./location-keys.js";
import { meansBucket } from "./sugar.js";

export type Entries = YAMLMap<Node, Node | null>;

type Entry = Pair<Node, Node | null>;

export const nameOf = (pair: Entry): unknown => (isScalar(pair.key) ? pair.key.value : undefined);

/** Writes the older spellings in a location as `unwrap` reads them: `config:`, credentials in it, and `path` of a bucket. */
export function writePlainly(document: Document, location: Entries): void {
  lift(location, "config");
  gatherCredentials(document, location);
  const pairs = location.items;
  const type = pairs.find((pair) => nameOf(pair) === "type")?.value;
  if (!meansBucket(isScalar(type) ? type.value : undefined, pairs.map(nameOf))) return;
  for (const { key } of pairs) if (isScalar(key) && key.value === "path") rewrite(key, "bucket");
}

function gatherCredentials(document: Document, location: Entries): void {
  const isSeed = (pair: Entry): boolean => Object.hasOwn(SEED_CREDENTIALS, String(nameOf(pair)));
  const seeds = location.items.filter(isSeed);
  if (seeds.length === 0) return;
  for (const { key } of seeds) if (isScalar(key)) rewrite(key, SEED_CREDENTIALS[String(key.value)]!);
  const credentials: Entries = new YAMLMap();
  credentials.items = seeds;
  credentials.flow = location.flow ?? false;
  const at = location.items.indexOf(seeds[0]!);
  location.items = location.items.filter((pair) => !seeds.includes(pair));
  location.items.splice(at, 0, document.createPair("credentials", credentials) as Entry);
}

/** Without its quotes, if it had any: it is a plain word now. */
function rewrite(key: { value: unknown; source?: string; type?: string }, name: string): void {
  key.value = name;
  key.source = name;
  key.type = "PLAIN";
}

/** Puts what is under `key` beside it, with the comments. */
export function lift(map: Entries, key: string): void {
  const index = map.items.findIndex((pair) => nameOf(pair) === key);
  const pair = map.items[index];
  if (!pair || !isMap(pair.value)) return;
  const inner = pair.value as Entries;
  const first = inner.items[0];
  const before = commentsOf([pair.key, inner]);
  if (first && before) first.key.commentBefore = [before, first.key.commentBefore].filter(Boolean).join("\n");
  if (first && pair.key.spaceBefore) first.key.spaceBefore = true;
  if (!first || inner.comment)
    map.comment = [map.comment, first ? "" : before, inner.comment].filter(Boolean).join("\n");
  map.items.splice(index, 1, ...inner.items);
}

/** The comments of these nodes, without those of what they contain. */
const commentsOf = (nodes: readonly Node[]): string =>
  nodes
    .flatMap((node) => [node.commentBefore, isMap(node) ? undefined : node.comment])
    .filter(Boolean)
    .join("\n");
