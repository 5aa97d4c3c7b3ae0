import type { Matcher, NamedSet } from "./config.js";
import type { At, Findings } from "./findings.js";
import { type MatchScope, matcherOf } from "./match.js";
import type { Match, StorageFile } from "./schema.gen.js";
import { didYouMean } from "./suggest.js";
import { MAX_DEPTH } from "./text.js";

export interface Sets {
  scope: MatchScope;
  sets: NamedSet[];
  /** The names that something refers to. */
  used: Set<string>;
}

/** Sets may multiply what a small file says, as anchors may; this is where it ends. */
const MAX_PREDICATES = 20_000;

/** Compiles every set once, in the order in which they need each other. */
export function resolveSets(
  tree: StorageFile,
  locations: readonly string[],
  captures: ReadonlySet<string> | undefined,
  found: Findings,
): Sets {
  const written = (tree.sets ?? {}) as Record<string, Match | undefined>;
  const done = new Map<string, Matcher | undefined>();
  const path: string[] = [];
  const used = new Set<string>();
  const measure = meter(found);
  const compile = (name: string, entry: Match): Matcher | undefined => {
    if (done.has(name)) return done.get(name);
    path.push(name);
    const matcher = matcherOf(entry, [written, name], scope);
    path.pop();
    done.set(name, matcher);
    return matcher;
  };
  const scope: MatchScope = {
    ...{ locations, captures, error: found.error, warning: found.warning },
    set(name, at) {
      used.add(name);
      const entry = Object.hasOwn(written, name) ? written[name] : undefined;
      if (!entry) {
        if (!Object.hasOwn(written, name))
          found.error("UNKNOWN_SET", at, `there is no set "${name}"`, didYouMean(name, Object.keys(written)));
        return undefined;
      }
      return isCycle(path, name, at, found) ? undefined : measure(compile(name, entry), at);
    },
  };
  const sets = Object.entries(written).flatMap(([name, entry]) => {
    const match = entry && compile(name, entry);
    return match ? [{ name, line: found.line([written, name, "key"]), match }] : [];
  });
  return { scope, sets, used };
}

/** Also of what is too deep to find out, which is reported. */
function isCycle(path: readonly string[], name: string, at: At, found: Findings): boolean {
  if (path.includes(name)) {
    const cycle = [...path.slice(path.indexOf(name)), name].join(" -> ");
    found.error("SET_CYCLE", at, `the set "${name}" contains itself: ${cycle}`);
    return true;
  }
  if (path.length < MAX_DEPTH) return false;
  found.error("TOO_DEEP", at, `sets are in each other more than ${MAX_DEPTH} levels deep`);
  return true;
}

/** Passes on what a set stands for, as long as all of that together is not too much. */
function meter(found: Findings): (matcher: Matcher | undefined, at: At) => Matcher | undefined {
  const sizes = new WeakMap<Matcher, number>();
  let total = 0;
  const sizeOf = (matcher: Matcher): number => {
    const known = sizes.get(matcher);
    if (known !== undefined) return known;
    const inner = "of" in matcher ? [matcher.of].flat() : [];
    const size = inner.reduce((sum, each) => sum + sizeOf(each), 1);
    sizes.set(matcher, size);
    return size;
  };
  return (matcher, at) => {
    if (!matcher) return undefined;
    const before = total;
    total += sizeOf(matcher);
    if (total <= MAX_PREDICATES) return matcher;
    if (before <= MAX_PREDICATES)
      found.error(
        "TOO_DEEP",
        at,
        "sets make this too large",
        `All together may stand for ${MAX_PREDICATES} conditions.`,
      );
    return undefined;
  };
}
