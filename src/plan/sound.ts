import { isOwn } from "../backend/marker.js";
import { ExitCode, StowageError } from "../lib/error.js";
import { invalidKey } from "../lib/key.js";
import type { Action, Plan } from "./plan.js";
import { anything, count, either, field, is, list, matches, number, oneOf, text } from "./shape.js";

/**
 * What a digest can not prove: that a plan says only what a planner can have written. Each key stays below its location's root, each
 * location is one of the header's, each removal names the copies that vouch for it, and nothing waits for what comes later.
 * @throws `PLAN_INVALID` (exit 5) with the line and the field
 */
export function requireSound({ header, actions, footer }: Plan, file: string): void {
  require(file, 1, HEADER(header));
  const locations = new Set(header.scans.map(({ location }) => location));
  if (locations.size < header.scans.length) require(file, 1, "scans names one location twice");
  const known: Known = { locations, ids: new Set(), floor: Math.max(1, header.safety.min_copies) };
  for (const [index, action] of actions.entries()) {
    require(file, index + 2, ACTION(action) ?? problemOf(action, known));
    known.ids.add(action.id);
  }
  const last = actions.length + 2;
  require(file, last, FOOTER(footer));
  for (const kind of ["copy", "move", "delete", "verify"] as const) {
    const there = actions.filter((action) => action.kind === kind).length;
    if (footer.summary[kind] !== there) require(file, last, `summary.${kind} is not ${there}`);
  }
}

function require(file: string, line: number, problem: string | undefined): void {
  if (problem === undefined) return;
  throw new StowageError("PLAN_INVALID", `${file}:${line}: no plan of stowage's is like this: ${problem}`, {
    hint: "Do not apply it. Make it again with `stowage plan -o FILE`.",
    exit: ExitCode.stale,
  });
}

const KEY = (value: unknown): string | undefined => {
  if (typeof value !== "string") return "is no text";
  const reason = invalidKey(value);
  if (reason !== undefined) return `can not be a key: ${reason}`;
  return isOwn(value.split("/", 1)[0] ?? "") ? "is stowage's own" : undefined;
};

const time = (value: unknown): string | undefined =>
  typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value) && !Number.isNaN(Date.parse(value))
    ? undefined
    : "is no time";

const CONTENT = matches(/^sha256:[0-9a-f]{64}$/, "is no content");
const STATUSES = ["complete", "partial", "suspect", "offline", "never"];

const HEADER = field({
  type: oneOf("plan"),
  format_version: text,
  stowage_version: text,
  plan_id: matches(/^p-[0-9a-f]{16}$/, "is no id of a plan"),
  config: field({ digest: text, commit: either(null, text) }),
  ...{ created_at: time, evaluated_at: time, plan_ttl: number, applyable: is("boolean") },
  safety: field({ min_copies: count, verify: oneOf("content", "checksum"), trash: number }),
  scans: list(
    field({
      ...{ location: text, type: text, root: text, priority: is("number") },
      ...{ uuid: either(null, text), at: either(null, time), status: oneOf(...STATUSES), files: count, bytes: count },
    }),
  ),
});

const REF = { location: text, key: KEY, claimed: either(undefined, oneOf(true)) };

const ACTION = field({
  type: oneOf("action"),
  id: matches(/^a[1-9]\d{0,9}$/, "is no id of an action"),
  kind: oneOf("copy", "move", "delete", "verify"),
  rule: field({ name: text, line: count }),
  reason: oneOf("rule", "default", "require", "conflict", "due", "repair", "rot"),
  content: CONTENT,
  size: count,
  from: field({ ...REF, version: text }),
  to: either(null, field({ ...REF, expect: text })),
  witnesses: list(field({ ...REF, version: either(null, text) })),
  depends_on: list(text),
  copies: field({ before: count, after: count }),
  required: count,
  bytes: count,
});

const ITEM = field({ address: text, rule: text, code: text, reason: text });

const FOOTER = field({
  type: oneOf("end"),
  summary: field({
    ...{ copy: count, move: count, delete: count, verify: count, blocked: count, kept: count },
    ...{ bytes: count, files: count, locations: count },
  }),
  blocked: list(ITEM),
  kept: list(ITEM),
  conflicts: list(
    field({
      ...{ address: text, strategy: text, outcome: text },
      claimants: list(field({ address: text, content: text })),
      occupant: either(null, field({ content: text })),
    }),
  ),
  drift: list(field({ address: text, kind: oneOf("missing", "changed", "rot"), detail: text })),
  checks: list(field({ name: text, status: oneOf("pass", "warn", "fail"), problems: list(text) })),
  capacity: list(field({ location: text, before: number, peak: number, after: number, limit: either(null, number) })),
  proof: field({ min_copies: count, floor: either(null, count), converges: is("boolean") }),
  digest: anything,
});

/** What the lines before have said. */
interface Known {
  locations: ReadonlySet<string>;
  ids: Set<string>;
  /** As many copies as every content has to have. */
  floor: number;
}

function problemOf(action: Action, { locations, ids, floor }: Known): string | undefined {
  const { id, kind, from, to, witnesses, depends_on } = action;
  if (ids.has(id)) return `${id} is there twice`;
  const stranger = [from, ...(to ? [to] : []), ...witnesses].find(({ location }) => !locations.has(location));
  if (stranger) return `${id} names the location "${stranger.location}", which the header does not`;
  const later = depends_on.find((other) => !ids.has(other));
  if (later !== undefined) return `${id} waits for ${later}, which does not come before it`;
  const moves = kind === "copy" || kind === "move";
  if (moves !== (to !== null)) return `${id} is a ${kind} ${moves ? "without" : "with"} a destination`;
  return kind === "move" || kind === "delete" ? removalProblem(action, floor) : undefined;
}

/** I2: as many copies in other places as the removal asks for; none only where the owner's word can have made that so. */
function removalProblem({ id, kind, reason, from, witnesses, required }: Action, floor: number): string | undefined {
  const others = witnesses.filter(({ location, key }) => location !== from.location || key !== from.key);
  if (others.length < witnesses.length) return `${id} has the file that it removes vouch for itself`;
  const places = new Set(others.map(({ location }) => location)).size;
  if (places < required) return `${id} needs ${required} witnesses in different locations and names ${places}`;
  if (required > 0 || reason === "conflict") return undefined;
  if (kind === "move") return `${id} is a move that nothing has to vouch for`;
  return others.length < floor ? undefined : `${id} removes without a witness, although ${others.length} are named`;
}
