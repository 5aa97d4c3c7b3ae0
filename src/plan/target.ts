import type { Config } from "../config/config.js";
import { renumber } from "./lead.js";
import type { Action } from "./plan.js";

/**
 * The chosen actions, numbered `a1`, `a2`, … where some are left out: those that a target names (all, without targets) less those that an
 * exclude names, and whatever the chosen ones depend on. A selector is a rule, a location, or `location:` and the beginning of a key.
 */
export function selectActions(
  actions: readonly Action[],
  config: Config,
  options: { target?: string[]; exclude?: string[] },
): Action[] {
  const { target = [], exclude = [] } = options;
  if (target.length === 0 && exclude.length === 0) return [...actions];
  const chosen = new Set(
    actions.filter(
      (action) =>
        (target.length === 0 || target.some((each) => names(each, action, config))) &&
        !exclude.some((each) => names(each, action, config)),
    ),
  );
  const byId = new Map(actions.map((action) => [action.id, action]));
  const queue = [...chosen];
  for (const action of queue) {
    for (const id of action.depends_on) {
      const before = byId.get(id)!;
      if (chosen.has(before)) continue;
      chosen.add(before);
      queue.push(before);
    }
  }
  const kept = actions.filter((action) => chosen.has(action));
  const ids = new Map(kept.map((action, index) => [action.id, `a${index + 1}`]));
  return kept.map((action) => renumber(action, ids));
}

function names(selector: string, action: Action, config: Config): boolean {
  if (action.rule.name === selector) return true;
  const refs = action.to ? [action.from, action.to] : [action.from];
  if (config.locations.some((location) => location.name === selector))
    return refs.some((ref) => ref.location === selector);
  const colon = selector.indexOf(":");
  if (colon < 0) return false;
  return refs.some((ref) => ref.location === selector.slice(0, colon) && ref.key.startsWith(selector.slice(colon + 1)));
}
