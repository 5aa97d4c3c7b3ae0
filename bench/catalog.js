import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SCHEMA_VERSION } from "../dist/catalog/schema.js";
import { raw } from "../dist/catalog/sql.js";
import { loadConfig, openCatalog, sql } from "../dist/index.js";
import { HOME } from "./measure.js";

/** Changes with what is made below, so that nothing old is used again. */
const EDITION = 2;
const SCANNED = raw("TIMESTAMP '2026-01-01'");
const EXTENSIONS = ["jpg", "png", "webp", "mp4", "mov", "txt", "json", "md", "cr2", "wav", "zip", "bin"];
const MEDIA = ["image", "image", "image", "video", "video", null, null, null, "image", "audio", null, null];
const MIMES = [
  "image/jpeg",
  "image/png",
  "image/webp",
  "video/mp4",
  "video/quicktime",
  null,
  null,
  null,
  null,
  "audio/wav",
  null,
  null,
];

/** Fifty rules as people write them: folders, names, extensions, sizes, ages, kinds, expressions; the first that matches decides. */
function rules() {
  const folders = Array.from({ length: 10 }, (_, n) => `path: "/project-${n}7/set-${n}/**"`);
  const names = Array.from({ length: 6 }, (_, n) => `name: "*-${n}${n}${n}?.${EXTENSIONS[n]}"`);
  const anywhere = Array.from(
    { length: 6 },
    (_, n) => `path: "set-${n}1/*.{${EXTENSIONS[n + 5]},${EXTENSIONS[(n + 7) % 12]}}"`,
  );
  const kinds = Array.from(
    { length: 6 },
    (_, n) => `ext: [${EXTENSIONS[n]}, ${EXTENSIONS[n + 6]}], size: ">${900 + n}MiB"`,
  );
  const ages = Array.from(
    { length: 6 },
    (_, n) => `media_type: ${["image", "video", "audio"][n % 3]}, age: ">${11 + n}y"`,
  );
  const types = Array.from(
    { length: 4 },
    (_, n) => `type: "${["image/p*", "video/*", "audio/wav", "image/webp"][n]}", size: "<${n + 1}KiB"`,
  );
  const projects = Array.from({ length: 4 }, (_, n) => `project: "project-${n}3*", age: ">${3 + n}y", ext: txt`);
  const expressions = Array.from({ length: 4 }, (_, n) => `name: "{{file-[0-9]*${n}9${n}8\\\\.(jpe?g|png)}}"`);
  const alternatives = Array.from(
    { length: 3 },
    (_, n) => `any: [{ name: "draft-*" }, { path: "/tmp-${n}/**" }, { size: ">2GiB" }], not: { ext: zip }`,
  );
  const all = [
    ...folders,
    ...names,
    ...anywhere,
    ...kinds,
    ...ages,
    ...types,
    ...projects,
    ...expressions,
    ...alternatives,
  ];
  return all.map((match, index) => `  - { name: r${index}, match: { ${match} }, action: copy, destination: nas }`);
}

const config = () => `version: 1
settings: { state: state, settle: 0s }
safety: { min_copies: 1 }
locations:
  - { name: ssd, type: local, path: ssd, layout: "{project}/**", purpose: [organized], priority: 100 }
  - { name: nas, type: local, path: nas, layout: "{project}/**", purpose: [backup], priority: 50 }
  - { name: old, type: local, path: old, layout: "{project}/**", purpose: [archive], priority: 10 }
rules:
${rules().join("\n")}
  - { name: rest, match: { path: "/project-5*/**", age: ">8y", copies: "<2" }, action: copy, destination: old }
  - default: ssd
require:
  - { name: two, match: { ext: [cr2, wav], size: "<4KiB" }, copies: 2 }
`;

/** Ages are counted from here in every run. */
export const NOW = { STOWAGE_NOW: "2026-11-01T00:00:00Z" };

/** A folder with a storage.yaml of 50 rules and a catalog of that many instances in three locations, of which some hundreds want something; made once. */
export async function syntheticCatalog(instances) {
  const root = join(HOME, `catalog-${EDITION}-${SCHEMA_VERSION}-${instances}`);
  if (existsSync(root)) return root;
  console.log(`making a catalog of ${instances} instances in ${root} …`);
  const folder = `${root}.new`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "storage.yaml");
  writeFileSync(file, config());
  const { locations } = await loadConfig(file, { env: {} });
  const catalog = await openCatalog(join(folder, "state", "catalog.duckdb"), { memory: 3 * 2 ** 30 });
  for (const { name, order, root: place, priority, purpose, domain, layout } of locations) {
    const [from, count] = [
      [0, 0.5],
      [0, 0.35],
      [0.3, 0.15],
    ][order].map((share) => BigInt(Math.round(share * instances)));
    await catalog.run(
      sql`INSERT INTO scans SELECT ${order + 1}, ${name}, ${SCANNED}, ${SCANNED}, 'complete', 0, 0, 0, 0, 0, 0, 0, 0, 0`,
    );
    await catalog.run(sql`INSERT INTO storage_locations (name, type, root, uuid, status, priority, purpose, domain, read_only, layout, last_scan, last_complete_scan)
      SELECT ${name}, 'local', ${place}, 'made', 'active', ${priority}, from_json(${JSON.stringify(purpose)}, '["VARCHAR"]'), ${domain}, false, ${JSON.stringify({ re2: layout.re2, captures: layout.captures })}, ${order + 1}, ${order + 1}`);
    await catalog.run(fill(name, from, count));
  }
  await catalog.run(sql`CHECKPOINT`);
  await catalog.close();
  renameSync(folder, root);
  return root;
}

/** `n` numbers a content; a fiftieth of the names have the content of the name before. */
const fill = (location, from, count) => sql`
  INSERT INTO file_locations BY NAME
  SELECT ${location} AS location, key, key AS norm_key, sha256(content::VARCHAR) AS sha256,
    CAST(10 + (content * 2654435761) % (CASE WHEN content % 50 = 0 THEN 200000000 ELSE 400000 END) AS BIGINT) AS size,
    make_timestamp_ns(CAST(1609459200 + (content * 7919) % 126144000 AS BIGINT) * 1000000000) AS mtime,
    key || ':1' AS version, 'present' AS state, 'content' AS proof,
    ${SCANNED} AS first_seen, ${SCANNED} AS last_seen, ${SCANNED} AS last_verified,
    from_json(${JSON.stringify(MEDIA)}, '["VARCHAR"]')[kind + 1] AS media_type, from_json(${JSON.stringify(MIMES)}, '["VARCHAR"]')[kind + 1] AS mime,
    project
  FROM (
    SELECT project, kind, content, project || '/set-' || (n // 100) % 20 || '/file-' || n || '.' || from_json(${JSON.stringify(EXTENSIONS)}, '["VARCHAR"]')[kind + 1] AS key
    FROM (SELECT n, 'project-' || n // 2000 AS project, n % 12 AS kind, CASE WHEN n % 50 = 49 THEN n - 12 ELSE n END AS content
      FROM range(CAST(${from} AS BIGINT), CAST(${from + count} AS BIGINT)) r(n))
  )`;
