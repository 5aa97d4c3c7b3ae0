import type { Config } from "../config/config.js";
import { didYouMean } from "../config/suggest.js";
import { ExitCode, StowageError } from "../lib/error.js";
import type { Plan } from "../plan/plan.js";
import { lockTrouble } from "./lock-place.js";
import type { Output } from "./output.js";
import { noteProblems, refresh } from "./refresh.js";
import type { Workspace } from "./workspace.js";

export interface PlanFlags {
  refresh: boolean;
  target?: string[] | undefined;
  exclude?: string[] | undefined;
  /** The file that the plan will be written to. */
  out?: string | undefined;
}

/** Scans, unless told not to, and plans. The catalog is closed again, so that others can read it while a plan is applied. */
export async function planNow(
  workspace: Workspace,
  output: Output,
  version: string,
  flags: PlanFlags,
  events = false,
): Promise<Plan> {
  for (const selector of [...(flags.target ?? []), ...(flags.exclude ?? [])]) checkSelector(selector, workspace.config);
  await requireLock(workspace);
  const catalog = await workspace.catalog("write");
  try {
    if (flags.refresh) {
      const report = await refresh(workspace, catalog, output, { events });
      noteProblems(report, output, workspace.config.settings.settle);
    }
    const { plan } = await import("../plan/planner.js");
    const commit = await workspace.commit();
    return await plan(workspace.config, catalog, {
      now: workspace.clock(),
      version,
      keepText: flags.out !== undefined,
      ...(commit === undefined ? {} : { commit }),
      ...(flags.target ? { target: flags.target } : {}),
      ...(flags.exclude ? { exclude: flags.exclude } : {}),
    });
  } finally {
    await catalog.close();
  }
}

/** A plan that nobody could apply is not made. @throws `LOCK_UNSUPPORTED` */
async function requireLock(workspace: Workspace): Promise<void> {
  const trouble = await lockTrouble(workspace);
  if (trouble) throw trouble.error;
}

/** A selector that can name nothing is a slip of the keyboard, and would plan nothing or everything. */
function checkSelector(selector: string, config: Config): void {
  const rules = [...config.rules, ...config.require].map(({ name }) => name).concat("default");
  const locations = config.locations.map(({ name }) => name);
  const colon = selector.indexOf(":");
  if (colon > 0 && locations.includes(selector.slice(0, colon))) return;
  if (rules.includes(selector) || locations.includes(selector)) return;
  throw new StowageError("UNKNOWN_SELECTOR", `"${selector}" is no rule, no location and no location:path`, {
    hint: didYouMean(selector, [...rules, ...locations]) ?? "`stowage location list` shows the locations.",
    exit: ExitCode.usage,
  });
}

/** The exit code that tells what a plan is like (§7). */
export function planExit(plan: Plan, detailed: boolean): number {
  const { copy, move, delete: remove, verify, blocked } = plan.footer.summary;
  if (isBlocked(plan)) return ExitCode.blocked;
  if (!detailed) return ExitCode.ok;
  if (blocked > 0) return ExitCode.blocked;
  return copy + move + remove + verify > 0 ? ExitCode.changes : ExitCode.ok;
}

/** The plan as a whole must not be applied. */
export const isBlocked = (plan: Plan): boolean => plan.footer.checks.some((check) => check.status === "fail");
