import { messageOf, StowageError } from "../lib/error.js";
import type { Ref } from "../plan/plan.js";
import type { Task } from "./run.js";

/** An instance to read the content from. */
export interface CopySource extends Ref {
  /** Undefined: made by this plan, whatever version it has. */
  version?: string;
  /** The one that the plan was made for. */
  planned: boolean;
  claimed?: true;
}

/** What makes another source be asked. */
export const UNREADABLE: ReadonlySet<string> = new Set([
  "UNAVAILABLE",
  "ACCESS_DENIED",
  "LOCATION_SUSPECT",
  "ARCHIVED",
  "CORRUPT",
  "ROT",
  "CLAIM",
]);

/** What goes wrong before anything is sent, or because the name is taken: the target may hold the content all the same. */
export const UNSENT: ReadonlySet<string> = new Set(["PRECONDITION", "NOT_FOUND", ...UNREADABLE]);

/** Where the content can be read: as planned, then by priority; what can not be asked now comes last, what is outside its window not at all. */
export function sourcesOf({ run, action, closed }: Task, target: Ref): CopySource[] {
  const priority = new Map(run.plan.header.scans.map((scan) => [scan.location, scan.priority]));
  const others = action.witnesses
    .filter((witness) => !same(witness, target) && !same(witness, action.from))
    .map(
      ({ location, key, version, claimed }): CopySource => ({
        location,
        key,
        planned: false,
        ...(claimed && { claimed }),
        ...(version !== null && { version }),
      }),
    )
    .sort((a, b) => priority.get(b.location)! - priority.get(a.location)!);
  const answers = ({ location }: CopySource): number => (run.gate.standing(location).is === "free" ? 0 : 1);
  return [{ ...action.from, planned: true }, ...others]
    .filter(({ location }) => !closed.has(location))
    .sort((a, b) => answers(a) - answers(b));
}

const same = (a: Ref, b: Ref): boolean => a.location === b.location && a.key === b.key;

/** So few bytes may be sent in vain: to look before takes as long. */
export const FEW = 1 << 18;

export const PLAN_AGAIN = "Run `stowage scan` and plan again.";

const SOURCE = "SOURCE";

/** Tells what went wrong at the source from what went wrong at the target of one copy. */
export const sourceProblem = (cause: unknown): StowageError => new StowageError(SOURCE, messageOf(cause), { cause });

export const isSourceProblem = (error: unknown): boolean => error instanceof StowageError && error.code === SOURCE;

export const causeOf = (error: unknown): unknown => (error instanceof StowageError ? error.cause : error);
