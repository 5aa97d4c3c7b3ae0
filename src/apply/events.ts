import type { Action, ActionKind, Ref } from "../plan/plan.js";
import type { Limit, Over } from "./budget.js";

/** What apply tells while it runs, in the order in which it happens. */
export type ApplyEvent =
  | { type: "run-start"; run: string; plan_id: string; actions: number; bytes: number; started: number }
  | { type: "action-start"; action: Action }
  /** A piece of a file was copied, or read to verify it. */
  | { type: "bytes"; action: string; phase: "copy" | "verify"; location: string; bytes: number }
  | { type: "retry"; location: string; code: string; message: string; attempt: number; delay: number }
  | { type: "action-done"; action: Action; outcome: Outcome }
  /** Another run holds the lock of that location: for so long it is watched whether it is alive. */
  | { type: "lock-watch"; location: string; holder: string; ms: number }
  /** The next action would go over the budget: no more is started. */
  | { type: "budget"; limit: Limit }
  /** Something that the owner should know of and that stops nothing. */
  | { type: "warning"; code: string; message: string }
  | { type: "run-end"; report: RunReport };

export type OutcomeKind = "copied" | "moved" | "deleted" | "verified" | "skipped" | "failed";

/** What became of one action. `skipped`: the world is not as the plan expects it; `failed`: something went wrong. */
export interface Outcome {
  action: string;
  kind: ActionKind;
  outcome: OutcomeKind;
  /** For skipped and failed: why, stable. */
  code?: string;
  message?: string;
  /** Instances that hold the content now, proven in this run; also those that were only witnesses. */
  present: Present[];
  /** Instances that this run removed, or found removed already. */
  removed: Removed[];
  /** Instances whose bytes are not what their version promised. */
  rot: Ref[];
  /** Instances that do not hold what their metadata claims. */
  disproved?: Ref[];
  /** Transferred. */
  bytes: number;
}

/** `content`: the bytes were read in this run; `checksum`: the store itself has computed the hash. */
export type ProofKind = "content" | "checksum";

export interface Present extends Ref {
  /** Lower-case hex. */
  sha256: string;
  size: number;
  /** Nanoseconds since the epoch, as text. */
  mtime: string;
  version: string;
  by: ProofKind;
  /** Of a file with more names than this one. */
  physical?: string;
}

export interface Removed extends Ref {
  sha256: string;
  trashed: boolean;
}

export interface RunReport {
  run: string;
  plan_id: string;
  /**
   * `incomplete`: something failed or was skipped; `corrupt`: rot was found; `interrupted`: stopped before the end; `waiting`: what is
   * not started waits for the window of a location; `budget`: the rest would have gone over the budget. The plan of the last three can be
   * applied again.
   */
  status: RunStatus;
  /** Milliseconds since the epoch. */
  started: number;
  finished: number;
  copied: number;
  moved: number;
  deleted: number;
  verified: number;
  failed: number;
  skipped: number;
  /** Actions that an interrupted or waiting run, or one out of its budget, did not start. */
  remaining: number;
  /** What they would transfer. */
  remaining_bytes?: number;
  /** Of a run that its budget stopped. */
  budget?: Over;
  /** Of a waiting run: the locations whose windows are waited for, and when they open; milliseconds since the epoch. */
  opens?: { location: string; at: number }[];
  /** Transferred. */
  bytes: number;
  /** The process exit code that says this. */
  exit: number;
  outcomes: Outcome[];
  /** What the run leaves: the instances that it proved and did not remove again. */
  present: Present[];
}

export type RunStatus = "complete" | "incomplete" | "corrupt" | "interrupted" | "waiting" | "budget";

/** Whether a run that ended so left its plan open: that can be applied again. */
export const leavesOpen = (status: RunStatus): boolean =>
  status === "interrupted" || status === "waiting" || status === "budget";
