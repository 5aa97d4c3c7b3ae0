import type { Catalog } from "../catalog/catalog.js";
import { join, name, sql } from "../catalog/sql.js";
import { type Config, isOutOfUse, type Matcher } from "../config/config.js";
import { StowageError } from "../lib/error.js";
import { address } from "../lib/key.js";
import { findAwaited } from "./attend.js";
import { evaluate } from "./evaluate.js";
import { type Leaf, leavesOf, predicate, valueSql } from "./match.js";
import { observe, PRESENT, prepareFacts } from "./observe.js";
import type { Action, Blocked, Kept } from "./plan.js";
import { loadSites, type Site } from "./site.js";

/** Why one file goes where it goes. */
export interface Explanation {
  address: string;
  /** `sha256:<hex>`, or null where the content is not known. */
  content: string | null;
  size: number;
  /** Every value that matchers can ask for; ages in milliseconds, instants in milliseconds since the epoch. */
  values: Record<string, string | number | null>;
  /** All rules in order, then the requirements. */
  rules: ExplainedRule[];
  /** The rule that decides, `default`, or null where nothing applies. */
  decision: string | null;
  actions: Action[];
  blocked: Blocked[];
  kept: Kept[];
}

export interface ExplainedRule {
  name: string;
  line: number;
  /** `keep` … `delete`, or `require`. */
  action: string;
  matched: boolean;
  /** `decides`, `adds` (continue), `matched but an earlier rule decides`, `no match`, `holds for it`. */
  verdict: string;
  match: ExplainedMatch;
}

/** A condition with its verdict; `value` is what it saw. */
export interface ExplainedMatch {
  /** As written (`size: >1GB`), or `all`, `any`, `not`, `set NAME`. */
  text: string;
  matched: boolean;
  value?: string | number | null;
  of?: ExplainedMatch[];
}

/**
 * Runs the compiled predicates of every rule for one instance, leaf by leaf, and plans for its content.
 * @throws `NOT_FOUND` when the catalog has no such file
 */
export async function explain(
  config: Config,
  catalog: Catalog,
  where: { location: string; key: string },
  options: { now: number },
): Promise<Explanation> {
  const sites = await loadSites(config, catalog);
  const site = sites.find((candidate) => candidate.name === where.location);
  if (!site?.usable) throw notUsable(where, site);
  await observe(catalog, sites);
  const evaluation = await evaluate(catalog, config, sites, PRESENT, options.now);
  await prepareFacts(catalog, PRESENT, options.now);
  const values = await catalog.row(sql<Record<string, string | number | null>>`
    SELECT location, norm_key AS path, size, media_type, mime AS type, project, attrs, age, age_here, modified, accessed, verified, copies, sha256,
      array_to_string(tags, ', ') AS tags, stars, CASE WHEN proof <> 'content' THEN proof END AS proof, archived, iid
    FROM work.facts WHERE loc = ${site.order} AND key = ${where.key} AND usable`);
  if (!values) throw await notPlanned(catalog, where);
  const iid = Number(values["iid"]);
  delete values["iid"];
  // Directories have none of these.
  for (const name of ["tags", "stars", "proof", "archived"]) if (values[name] === null) delete values[name];
  const decision = await catalog.row(
    sql<{ first: number | null; more: number[] | null }>`SELECT "first", more FROM work.decision WHERE iid = ${iid}`,
  );
  const judge = await leafJudge(catalog, config, iid);
  const content = values["sha256"] === null ? null : `sha256:${values["sha256"]}`;
  const about = evaluation.steps.filter((step) => step.action.content === content).map((step) => step.action);
  const at = address(where.location, where.key);
  const first = decision?.first ?? null;
  const more = decision?.more ?? [];
  return {
    address: at,
    content,
    size: Number(values["size"]),
    values,
    rules: [
      ...config.rules.map((rule, index) => {
        const match = judge(rule.match);
        const verdict = verdictOf(match.matched, index, first, more);
        return { name: rule.name, line: rule.line, action: rule.action, matched: match.matched, verdict, match };
      }),
      ...config.require.map((need) => {
        const match = judge(need.match);
        const verdict = match.matched ? "holds for it" : "no match";
        return { name: need.name, line: need.line, action: "require", matched: match.matched, verdict, match };
      }),
    ],
    decision: first === null ? (config.default ? "default" : null) : config.rules[first]!.name,
    actions: about,
    blocked: [
      ...evaluation.settlement.blocked.filter((entry) => entry.address === at),
      ...(await findAwaited(catalog, config, sites, { at, sha256: String(values["sha256"]), first, more })),
    ],
    kept: evaluation.settlement.kept.filter((entry) => entry.address === at),
  };
}

function verdictOf(matched: boolean, index: number, first: number | null, more: readonly number[]): string {
  if (first === index) return "decides";
  if (more.includes(index)) return "adds";
  return matched ? "matched but an earlier rule decides" : "no match";
}

const fieldOf = ({ field }: Leaf): string => (typeof field === "string" ? field : `attr.${field.attr}`);

type Answers = Record<`m${number}`, boolean> & Record<`v${number}`, string | number | null>;

/** Asks for all leaves of all rules at once, then composes the answers. */
async function leafJudge(catalog: Catalog, config: Config, iid: number): Promise<(matcher: Matcher) => ExplainedMatch> {
  const leaves = [...config.rules, ...config.require].flatMap(({ match }) => [...leavesOf(match)]);
  const columns = leaves.map(
    (leaf, index) => sql`, ${predicate(leaf)} AS ${name(`m${index}`)}, ${valueSql(leaf)} AS ${name(`v${index}`)}`,
  );
  const query = sql<Answers>`SELECT iid${join(columns, "")} FROM work.facts WHERE iid = ${iid}`;
  const row = (await catalog.row(query))!;
  const seen = new Map(
    leaves.map((leaf, index) => [leaf, { matched: row[`m${index}`]!, value: row[`v${index}`] ?? null }]),
  );
  const judge = (matcher: Matcher): ExplainedMatch => {
    switch (matcher.op) {
      case "all":
      case "any": {
        const of = matcher.of.map(judge);
        const matched = matcher.op === "all" ? of.every((each) => each.matched) : of.some((each) => each.matched);
        return { text: matcher.of.length === 0 ? "{} (every file)" : matcher.op, matched, of };
      }
      case "not":
      case "set": {
        const inner = judge(matcher.of);
        const text = matcher.op === "set" ? `set ${matcher.name}` : "not";
        return { text, matched: matcher.op === "set" ? inner.matched : !inner.matched, of: [inner] };
      }
      default:
        return { text: `${fieldOf(matcher)}: ${matcher.source}`, ...seen.get(matcher)! };
    }
  };
  return judge;
}

/** Why a file takes no part in planning. */
async function notPlanned(catalog: Catalog, where: { location: string; key: string }): Promise<StowageError> {
  const at = address(where.location, where.key);
  const row = await catalog.row(sql<{ state: string; last_seen: number }>`
    SELECT state, last_seen FROM file_locations WHERE location = ${where.location} AND key = ${where.key}`);
  switch (row?.state) {
    case "settling":
      return new StowageError(
        "SETTLING",
        `${at} is younger than settings.settle: it may still be being written, and nothing is done with it`,
        {
          hint: "Plan again later.",
        },
      );
    case "rot":
      return new StowageError(
        "ROT",
        `${at} is damaged and in quarantine: its bytes changed without having been written`,
        {
          hint: "Run `stowage verify --repair -o repair.ndjson` for a plan that restores it from a good copy.",
        },
      );
    case "missing":
      return new StowageError(
        "MISSING",
        `${at} is gone since ${new Date(row.last_seen).toISOString()}, without stowage's doing`,
        {
          hint: "`stowage whereis` shows where else its content is.",
        },
      );
    default:
      return new StowageError("NOT_FOUND", `the catalog has no file ${at}`, {
        hint: "Run `stowage scan`, or look for it with `stowage find --name NAME`.",
      });
  }
}

function notUsable(where: { location: string }, site: Site | undefined): StowageError {
  if (!site)
    return new StowageError("NOT_FOUND", `there is no location ${where.location} in storage.yaml`, {
      hint: "Run `stowage location list`.",
    });
  const why = site.suspect ?? `its status is ${site.location.status}`;
  return new StowageError("LOCATION_UNUSABLE", `${where.location} takes no part in planning: ${why}`, {
    hint: isOutOfUse(site.location)
      ? "Its owner wrote so in storage.yaml: write `status: active` there when it is back, and run `stowage scan`."
      : "Run `stowage location check`.",
  });
}
