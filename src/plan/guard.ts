import { isOutOfUse } from "../config/config.js";
import { address } from "../lib/key.js";
import type { Alike, Flow } from "./alike.js";
import type { Content, Context } from "./model.js";
import type { Step } from "./order.js";
import type { CapacityForecast, Check, Proof } from "./plan.js";
import type { Site } from "./site.js";
import { floorOf } from "./veto.js";
import { fullMark } from "./wish.js";

/** Bytes per location before, at the worst moment and after; and the contents that would not fit, in the order of the plan. */
export interface Forecast {
  capacity: CapacityForecast[];
  overflow: { content: Content; site: Site }[];
}

/**
 * Runs the plan's bytes through every location.
 * @param flows what comes and goes besides: it is taken to come before these steps, and to leave after them
 */
export function forecast(steps: readonly Step[], context: Context, flows: Alike["flows"]): Forecast {
  const used = new Map<Site, Use>();
  const overflow: Forecast["overflow"] = [];
  for (const site of context.sites) {
    const { first = 0, later = 0, renamed = 0 } = flows.get(site) ?? {};
    const now = site.used + first + later;
    used.set(site, { now, peak: now, named: renamed });
  }
  for (const step of steps) {
    const { fills, removes } = step;
    const source = removes && used.get(removes.site);
    const target = fills && used.get(fills.site);
    const renamed = isRenamed(step);
    if (fills && target && entersAnew(step)) {
      const { content, site } = fills;
      const fits = fill(site, target, content.size, renamed);
      if (!fits) overflow.push({ content, site });
      if (fits && renamed && source) source.named -= content.size;
    }
    if (removes && source && freesRoom(step, context)) source.now -= removes.size;
  }
  const capacity = [...used]
    .filter(([site]) => !isOutOfUse(site.location))
    .map(([site, { now, peak }]) => {
      // Free space that nobody set a limit on differs from minute to minute: it is only named where it is in the way.
      const named =
        site.location.capacity.max !== undefined ||
        site.location.capacity.keepFree !== undefined ||
        overflow.some((each) => each.site === site);
      const after = now - (flows.get(site)?.leaving ?? 0);
      return { location: site.name, before: site.used, peak, after, limit: named ? (site.limit ?? null) : null };
    });
  return { capacity, overflow };
}

interface Use {
  now: number;
  peak: number;
  /** What of it came, or went if below zero, without a byte being written: the device has as much room as before. */
  named: number;
}

/** What gets another name in its location takes no room, not even for a moment. */
export const entersAnew = (step: Step): boolean => step.fills !== undefined && !isRenamedInside(step);

/** What a move takes away is free at once; what is deleted lies in trash and still takes its room, unless there is no trash. */
export const freesRoom = (step: Step, { config }: Context): boolean =>
  step.removes !== undefined && (step.action.kind === "move" || config.safety.trash === 0) && !isRenamedInside(step);

const isRenamedInside = (step: Step): boolean => isRenamed(step) && step.fills?.site === step.source.site;

/** Whether all that comes fits in before anything leaves; no bytes always do. */
export function hasRoom({ used, max, room }: Site, { first, later, renamed }: Flow): boolean {
  const now = used + first + later;
  if (now === used) return true;
  return (max === undefined || now <= max) && (room === undefined || now - renamed <= room);
}

/** False when it has no room for that. */
function fill({ max, room }: Site, use: Use, size: number, renamed: boolean): boolean {
  const now = use.now + size;
  const named = use.named + (renamed ? size : 0);
  const fits = (max === undefined || now <= max) && (room === undefined || now - named <= room);
  if (fits || size === 0) Object.assign(use, { now, named });
  use.peak = Math.max(use.peak, use.now);
  return fits || size === 0;
}

/** The file itself gets another name on its device. `keep_free` is the owner's word where it is written all the same. */
export const isRenamed = ({ action, source, fills, removes }: Step): boolean =>
  action.kind === "move" &&
  removes === source &&
  source.physical === null &&
  source.site.device !== undefined &&
  source.site.device === fills?.site.device &&
  (source.site === fills.site || fills.site.location.capacity.keepFree === undefined);

export const overflowMarks = (overflow: Forecast["overflow"]): string[] =>
  overflow.map(({ content, site }) => fullMark(content, site));

/**
 * S6 at every prefix: after each step its content has the copies it must have. The exceptions are the owner's word:
 * `allow_last_copy`, and a conflict loser.
 * @param known the lowest number of copies after steps that are not among these
 */
export function proveFloor(
  steps: readonly Step[],
  context: Context,
  known: number | null = null,
): { check: Check; floor: number | null } {
  const problems: string[] = [];
  const exempt = new Set<Content>();
  let lowest = known;
  for (const { action, content, removes } of steps) {
    if (removes && action.required === 0) exempt.add(content);
    const { after } = action.copies;
    lowest = lowest === null ? after : Math.min(lowest, after);
    if (!removes || exempt.has(content)) continue;
    const floor = floorOf(content, context);
    if (after < floor || action.witnesses.length < action.required) {
      problems.push(
        `${action.id} would leave ${after} of ${floor} copies of ${address(action.from.location, action.from.key)}`,
      );
    }
  }
  return { check: toCheck("min_copies", problems), floor: lowest };
}

/** `max_delete`: more deletes than the owner thinks normal block the whole plan. Sources of moves do not count. */
export function checkDeletes(steps: readonly Step[], { kinds, flows }: Alike, context: Context): Check {
  const { files, percent } = context.config.safety.maxDelete;
  const problems: string[] = [];
  const deletes = steps.filter(({ action }) => action.kind === "delete");
  const all = deletes.length + kinds.delete;
  if (all > files) problems.push(`${all} deletes are more than max_delete.files: ${files}`);
  for (const site of context.sites) {
    const own = deletes.filter(({ removes }) => removes?.site === site).length;
    const count = own + (flows.get(site)?.deletes ?? 0);
    if (count < 25) continue;
    const share = (count / Math.max(1, site.scan.files)) * 100;
    if (share > percent) {
      problems.push(
        `${count} deletes in ${site.name} are ${share.toFixed(1)} % of its ${site.scan.files} files, more than max_delete.percent: ${percent}`,
      );
    }
  }
  return toCheck("max_delete", problems);
}

export const toCheck = (name: string, problems: string[]): Check => ({
  name,
  status: problems.length === 0 ? "pass" : "fail",
  problems,
});

export const proofOf = (context: Context, floor: number | null, converges: boolean): Proof => ({
  min_copies: context.config.safety.minCopies,
  floor,
  converges,
});
