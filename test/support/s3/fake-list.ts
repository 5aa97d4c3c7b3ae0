import type { FakeBucket, FakeVersion } from "./fake-state.js";
import { urlEncoded, type Xml, xml } from "./fake-xml.js";

type Query = URLSearchParams;
const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

interface Row {
  key: string;
  version?: FakeVersion;
  latest?: boolean;
  prefix?: string;
}

/** Rows with those below a delimiter grouped, in the order of S3. */
function* grouped(rows: Iterable<Row>, prefix: string, delimiter: string): Generator<Row> {
  let last: string | undefined;
  for (const row of rows) {
    const cut = delimiter === "" ? -1 : row.key.indexOf(delimiter, prefix.length);
    if (cut < 0) yield row;
    else if (last !== row.key.slice(0, cut + 1)) {
      last = row.key.slice(0, cut + 1);
      yield { key: last, prefix: last };
    }
  }
}

function page(rows: Iterable<Row>, query: Query, most: number): { rows: Row[]; more: boolean } {
  const wanted = Math.min(Number(query.get("max-keys") ?? 1000), most);
  const all = [...grouped(rows, query.get("prefix") ?? "", query.get("delimiter") ?? "")];
  return { rows: all.slice(0, wanted), more: all.length > wanted };
}

const keysOf = (bucket: FakeBucket, prefix: string): string[] =>
  [...bucket.keys.keys()].filter((key) => key.startsWith(prefix)).sort(byBytes);

export function listObjects(name: string, bucket: FakeBucket, query: Query, most: number): string {
  const prefix = query.get("prefix") ?? "";
  const token = query.get("continuation-token");
  const after = token === null ? (query.get("start-after") ?? "") : Buffer.from(token, "base64url").toString();
  const rows = keysOf(bucket, prefix).flatMap((key): Row[] => {
    const top = bucket.keys.get(key)?.[0];
    return top && !top.marker && byBytes(key, after) > 0 ? [{ key, version: top }] : [];
  });
  const grouping = token !== null && query.has("delimiter");
  // A group that was told of already is skipped with all its keys.
  const found = page(
    rows.filter(({ key }) => !(grouping && after.endsWith("/") && key.startsWith(after))),
    query,
    most,
  );
  const last = found.rows.at(-1)?.key;
  const encode = query.get("encoding-type") === "url" ? urlEncoded : (text: string) => text;
  return xml("ListBucketResult", {
    ...{ Name: name, Prefix: encode(prefix), MaxKeys: query.get("max-keys") ?? 1000, KeyCount: found.rows.length },
    EncodingType: query.get("encoding-type") ?? undefined,
    ContinuationToken: token ?? undefined,
    IsTruncated: found.more,
    NextContinuationToken: found.more && last !== undefined ? Buffer.from(last).toString("base64url") : undefined,
    Contents: found.rows.flatMap(({ key, version }): Xml[] =>
      version ? [{ Key: encode(key), ...told(version) }] : [],
    ),
    CommonPrefixes: found.rows.flatMap(({ prefix: group }): Xml[] => (group ? [{ Prefix: encode(group) }] : [])),
  });
}

export function listVersions(name: string, bucket: FakeBucket, query: Query, most: number): string {
  const prefix = query.get("prefix") ?? "";
  const marker = query.get("key-marker") ?? "";
  const under = query.get("version-id-marker");
  const rows = keysOf(bucket, prefix).flatMap((key): Row[] => {
    if (byBytes(key, marker) < 0 || (key === marker && !under)) return [];
    const versions = (bucket.keys.get(key) ?? []).map((version, index) => ({ key, version, latest: index === 0 }));
    return key === marker ? versions.slice(versions.findIndex(({ version }) => version.id === under) + 1) : versions;
  });
  const found = page(rows, query, most);
  const last = found.rows.at(-1);
  const encode = query.get("encoding-type") === "url" ? urlEncoded : (text: string) => text;
  const entries = (markers: boolean): Xml[] =>
    found.rows.flatMap(({ key, version, latest }): Xml[] =>
      version && version.marker === markers
        ? [{ Key: encode(key), VersionId: version.id, IsLatest: latest ?? false, ...told(version) }]
        : [],
    );
  return xml("ListVersionsResult", {
    ...{ Name: name, Prefix: encode(prefix), MaxKeys: query.get("max-keys") ?? 1000, IsTruncated: found.more },
    EncodingType: query.get("encoding-type") ?? undefined,
    NextKeyMarker: found.more ? encode(last?.key ?? "") : undefined,
    NextVersionIdMarker: found.more ? last?.version?.id : undefined,
    Version: entries(false),
    DeleteMarker: entries(true),
    CommonPrefixes: found.rows.flatMap(({ prefix: group }): Xml[] => (group ? [{ Prefix: encode(group) }] : [])),
  });
}

const told = ({ marker, etag, bytes, modified, storageClass }: FakeVersion): Xml =>
  marker
    ? { LastModified: modified.toISOString() }
    : { ETag: `"${etag}"`, Size: bytes.length, LastModified: modified.toISOString(), StorageClass: storageClass };
