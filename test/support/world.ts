import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Catalog, openCatalog } from "../../src/catalog/catalog.js";
import { layoutColumns } from "../../src/catalog/entries.js";
import { instant, sql } from "../../src/catalog/sql.js";
import type { Config } from "../../src/config/config.js";
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
  features?: object;
  total?: number;
  free?: number;
}

/** A catalog in a temporary file that has "seen" exactly these instances. */
export async function catalogOf(
  config: Config,
  entries: readonly Given[],
  facts: Record<string, SiteFacts> = {},
): Promise<Catalog> {
  const catalog = await openCatalog(join(mkdtempSync(join(tmpdir(), "stowage-plan-")), "catalog.duckdb"));
  for (const [index, location] of config.locations.entries()) {
    const fact = facts[location.name] ?? {};
    const scanned = location.status === "active" || location.status === "draining";
    await catalog.run(sql`INSERT INTO storage_locations (name, type, root, uuid, status, priority, purpose, domain, read_only, features, total_bytes, free_bytes, suspect, last_scan, last_complete_scan)
      VALUES (${location.name}, ${location.type}, ${location.root}, ${`uuid-${location.name}`}, ${location.status}, ${location.priority}, [], ${location.domain}, ${location.readOnly},
        ${JSON.stringify(fact.features ?? {})}, ${fact.total ?? null}, ${fact.free ?? null}, ${fact.suspect ?? null}, ${scanned ? index + 1 : null}, ${scanned ? index + 1 : null})`);
    if (scanned) {
      await catalog.run(
        sql`INSERT INTO scans VALUES (${index + 1}, ${location.name}, ${instant(NOW)}, ${instant(NOW)}, 'complete', 0, 0, 0, 0, 0, 0, 0, 0, 0)`,
      );
    }
  }
  for (const entry of entries) await insert(catalog, entry);
  for (const location of config.locations) {
    if (!location.layout) continue;
    const named = layoutColumns(location.layout);
    await catalog.run(
      sql`UPDATE file_locations SET project = ${named.project}, attrs = ${named.attrs} WHERE location = ${location.name}`,
    );
  }
  return catalog;
}

async function insert(catalog: Catalog, entry: Given): Promise<void> {
  const age = entry.age ?? 100;
  const mtime = BigInt(NOW - age * DAY) * 1_000_000n;
  const first = instant(NOW - (entry.seen ?? age) * DAY);
  const sha256 = entry.content === undefined ? null : sha256Hex(entry.content);
  const read = entry.content !== undefined && entry.proof !== "claim";
  const verified = !read ? null : NOW - (entry.verified ?? 0) * DAY;
  await catalog.run(sql`INSERT INTO file_locations (location, key, norm_key, sha256, size, mtime, accessed, version, physical, state, first_seen, last_seen, last_verified, media_type, mime, proof, archived, tags, stars)
    VALUES (${entry.location}, ${entry.key}, nfc_normalize(${entry.key}), ${sha256}, ${entry.size ?? 1000}, make_timestamp_ns(${mtime}::BIGINT), ${first},
      ${`v-${entry.location}-${entry.key}`}, ${entry.physical ?? null}, ${entry.state ?? "present"}, ${first}, ${instant(NOW)},
      ${verified === null ? sql`NULL` : instant(verified)}, ${entry.type ?? "image"}, ${entry.mime ?? "image/jpeg"},
      ${sha256 === null ? null : (entry.proof ?? "content")}, ${entry.archived ?? null}, string_split(${entry.tags ?? null}, '|'), ${entry.stars ?? null})`);
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
