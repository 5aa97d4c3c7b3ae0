import type { Catalog } from "../catalog/catalog.js";
import { sql } from "../catalog/sql.js";
import type { Config, Diagnostic, Matcher, Rule } from "../config/config.js";
import { canonicalJson } from "../lib/json.js";
import { predicate } from "./match.js";
import { decide, observe, PRESENT, prepareFacts } from "./observe.js";
import { loadSites } from "./site.js";

/**
 * What is valid but probably not meant: rules that an earlier rule shadows, and, with a catalog, rules that match no file
 * or only files that earlier rules decide. Warnings only.
 */
export async function lint(
  config: Config,
  catalog: Catalog | undefined,
  options: { now: number },
): Promise<Diagnostic[]> {
  const found = shadowed(config);
  if (catalog) found.push(...(await unused(config, catalog, options.now, new Set(found.map((each) => each.line)))));
  return found.sort((a, b) => a.line - b.line);
}

const warning = (config: Config, line: number, code: string, message: string, hint: string): Diagnostic => ({
  severity: "warning",
  code,
  message,
  hint,
  file: config.file,
  line,
  column: 1,
});

/** A rule whose every condition an earlier deciding rule has too can never decide. */
function shadowed(config: Config): Diagnostic[] {
  return config.rules.flatMap((rule, index) => {
    const earlier = config.rules.slice(0, index).find((other) => !other.continue && covers(other, rule));
    if (!earlier) return [];
    const message = `rule ${rule.name} never decides: ${earlier.name} (line ${earlier.line}) matches everything it matches`;
    return [warning(config, rule.line, "SHADOWED_RULE", message, "Move it above, or make the earlier rule narrower.")];
  });
}

function covers(wide: Rule, narrow: Rule): boolean {
  const conditions = new Set(conjuncts(narrow.match));
  return conjuncts(wide.match).every((condition) => conditions.has(condition));
}

const conjuncts = (matcher: Matcher): string[] =>
  matcher.op === "all" ? matcher.of.flatMap(conjuncts) : [canonicalJson(matcher)];

async function unused(
  config: Config,
  catalog: Catalog,
  now: number,
  known: ReadonlySet<number>,
): Promise<Diagnostic[]> {
  await observe(catalog, await loadSites(config, catalog));
  await prepareFacts(catalog, PRESENT, now);
  await decide(catalog, config, PRESENT);
  const files = (await catalog.row(sql<{ files: number }>`SELECT count(*) AS files FROM work.decision`))?.files;
  if (!files) return [];
  const found: Diagnostic[] = [];
  for (const [index, rule] of config.rules.entries()) {
    if (known.has(rule.line)) continue;
    const row = await catalog.row(sql<{ matched: number; decided: number }>`
      SELECT count(*) AS matched, count(*) FILTER (WHERE d."first" = ${index} OR list_contains(d.more, ${index})) AS decided
      FROM work.facts f JOIN work.decision d ON d.iid = f.iid WHERE ${predicate(rule.match)}`);
    if (row?.matched === 0) {
      found.push(
        warning(
          config,
          rule.line,
          "DEAD_RULE",
          `rule ${rule.name} matches none of ${files} files`,
          "Check its match with `stowage find`.",
        ),
      );
    } else if (row?.decided === 0) {
      const message = `rule ${rule.name} matches ${row.matched} files, and earlier rules decide all of them`;
      found.push(warning(config, rule.line, "OVERLAPPED_RULE", message, "Ask `stowage explain` for one of them."));
    }
  }
  return found;
}
