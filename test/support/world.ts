import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Catalog, openCatalog } from "../../src/catalog/catalog.js";
import { layoutColumns } from "../../src/catalog/entries.js";
import { storable } from "../../src/catalog/mtime.js";
import { instant, join as list, type Sql, sql } from "../../src/catalog/sql.js";
import type { Config, Location } from "../../src/config/config.js";
import { checkText } from "../../src/config/load.js";
import { sha256Hex } from "../../src/lib/json.js";
import type { Action, Plan } from "../../src/plan/plan.js";

export const NOW = Date.parse("2026-06-01T00:00:00Z");
const DAY = 86_400_000;

/** An instance for planning tests; `content` is any text and names the bytes. */
export interface Given {
  location: string;
  key: string;
  /** Missing = not known. */
  content?: string | undefined;
  size?: number;
  /** Age in days at NOW. */
  age?: number;
  state?: string;
  /** Days ago; default: as old as the file. */
  seen?: number;
  verified?: number;
  physical?: string;
  /** `content` where unset. */
  proof?: string;
  archived?: string | undefined;
  /** Separated by `|`. */
  tags?: string;
  stars?: number;
  type?: string;
  mime?: string;
}

/** `primary:a/b.jpg A 10d 5MB`: address, content, age, size — the rest by `Given`. */
export function given(line: string): Given {
  const [where = "", content, age, size] = line.trim().split(/\s+/);
  const colon = where.indexOf(":");
  return {
    location: where.slice(0, colon),
    key: where.slice(colon + 1),
    content: content === "?" ? undefined : (content ?? "A"),
    age: age ? Number.parseFloat(age) : 100,
    ...(size ? { size: Number(size) } : {}),
  };
}

export function configOf(yaml: string, file = "/tree/storage.yaml"): Config {
  const { config, diagnostics } = checkText(yaml, file, { env: { HOME: "/home/user" } });
  if (!config) throw new Error(diagnostics.map((each) => `${each.line}:${each.column} ${each.message}`).join("\n"));
  return config;
}

export interface SiteFacts {
  suspect?: string;
  /** `device:inode` of the root. */
  identity?: string;
  features?: object;
  total?: number;
  free?: number;
  /** Folders, whether there is a file in them or not. */
  folders?: string[];
  /** Keys of what is neither a file nor a folder. */
  others?: string[];
}

/** A catalog in a temporary file that has "seen" exactly these instances. */
export async function catalogOf(
  config: Config,
  entries: readonly Given[],
  facts: Record<string, SiteFacts> = {},
): Promise<Catalog> {
  const directory = mkdtempSync(join(tmpdir(), "stowage-plan-"));
  const catalog = await openCatalog(join(directory, "catalog.duckdb"));
  await catalog.transaction(async () => {
    await addLocations(catalog, config, facts);
    for (let start = 0; start < entries.length; start += 100) await insert(catalog, entries.slice(start, start + 100));
    for (const { name, layout } of config.locations) {
      if (!layout) continue;
      const { project, attrs } = layoutColumns(layout);
      await catalog.run(sql`UPDATE file_locations SET project = ${project}, attrs = ${attrs} WHERE location = ${name}`);
    }
  });
  const close = async (): Promise<void> => {
    await catalog.close();
    rmSync(directory, { recursive: true });
  };
  return { ...catalog, close };
}

async function addLocations(catalog: Catalog, config: Config, facts: Record<string, SiteFacts>): Promise<void> {
  const scanned = ({ status }: Location): boolean => status === "active" || status === "draining";
  const rows = config.locations.map((location, index) => {
    const { features = {}, total = null, free = null, suspect = null, identity = null } = facts[location.name] ?? {};
    const scan = scanned(location) ? index + 1 : null;
    return sql`(${location.name}, ${location.type}, ${location.root}, ${`uuid-${location.name}`}, ${location.status}, ${location.priority}, [], ${location.domain},
      ${location.readOnly}, ${JSON.stringify(features)}, ${total}, ${free}, ${suspect}, ${identity}, ${scan}, ${scan})`;
  });
  await catalog.run(sql`INSERT INTO storage_locations (name, type, root, uuid, status, priority, purpose, domain, read_only, features, total_bytes, free_bytes, suspect, identity, last_scan, last_complete_scan)
    VALUES ${list(rows)}`);
  const scans = config.locations.flatMap((location, index) =>
    scanned(location)
      ? [sql`(${index + 1}, ${location.name}, ${instant(NOW)}, ${instant(NOW)}, 'complete', 0, 0, 0, 0, 0, 0, 0, 0, 0)`]
      : [],
  );
  if (scans.length > 0) await catalog.run(sql`INSERT INTO scans VALUES ${list(scans)}`);
  for (const [location, { folders = [], others = [] }] of Object.entries(facts)) {
    for (const dir of folders) await catalog.run(sql`INSERT INTO directories VALUES (${location}, ${dir}, '')`);
    for (const key of others) await catalog.run(sql`INSERT INTO others VALUES (${location}, ${key})`);
  }
}

async function insert(catalog: Catalog, entries: readonly Given[]): Promise<void> {
  await catalog.run(sql`INSERT INTO file_locations (location, key, norm_key, sha256, size, mtime, accessed, version, physical, state, first_seen, last_seen, last_verified, media_type, mime, proof, archived, tags, stars)
    VALUES ${list(entries.map(rowOf))}`);
}

function rowOf(entry: Given): Sql {
  const age = entry.age ?? 100;
  const mtime = storable(BigInt(NOW - age * DAY) * 1_000_000n);
  const first = instant(NOW - (entry.seen ?? age) * DAY);
  const sha256 = entry.content === undefined ? null : sha256Hex(entry.content);
  const read = entry.content !== undefined && entry.proof !== "claim";
  const verified = !read ? null : NOW - (entry.verified ?? 0) * DAY;
  return sql`(${entry.location}, ${entry.key}, nfc_normalize(${entry.key}), ${sha256}, ${entry.size ?? 1000}, make_timestamp_ns(${mtime}::BIGINT), ${first},
    ${`v-${entry.location}-${entry.key}`}, ${entry.physical ?? null}, ${entry.state ?? "present"}, ${first}, ${instant(NOW)},
    ${verified === null ? sql`NULL` : instant(verified)}, ${entry.type ?? "image"}, ${entry.mime ?? "image/jpeg"},
    ${sha256 === null ? null : (entry.proof ?? "content")}, ${entry.archived ?? null}, string_split(${entry.tags ?? null}, '|'), ${entry.stars ?? null})`;
}

/** An action as one line: `+ primary:a -> nas:a`. A move that transfers nothing ends with `(0)`. */
export function short(action: Action): string {
  const mark = { copy: "+", move: ">", delete: "-", verify: "?" }[action.kind];
  const to = action.to ? ` -> ${action.to.location}:${action.to.key}` : "";
  const nothing = action.kind === "move" && action.bytes === 0 ? " (0)" : "";
  const why = action.reason === "rule" || action.reason === "due" ? "" : ` [${action.reason}]`;
  return `${mark} ${action.from.location}:${action.from.key}${to}${nothing}${why}`;
}

/** A whole plan as lines: actions, then `! blocked`, then `= kept`. */
export function lines(plan: Plan): string[] {
  return [
    ...plan.actions.map(short),
    ...plan.footer.blocked.map((entry) => `! ${entry.address} ${entry.code}`),
    ...plan.footer.kept.map((entry) => `= ${entry.address} ${entry.code}`),
  ];
}
