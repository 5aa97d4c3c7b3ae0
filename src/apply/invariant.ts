import { ExitCode, StowageError } from "../lib/error.js";

export type InvariantId = "I1" | "I2" | "I3" | "I4" | "I5" | "I6" | "I7";

/** Stops the action when a condition does not hold that must hold whatever the plan says. Never a user's mistake. */
export function assertInvariant(condition: boolean, id: InvariantId, fact: string): asserts condition {
  if (condition) return;
  throw new StowageError("INVARIANT", `${id} would not hold: ${fact}`, {
    hint: "Nothing was removed. This is a bug: please report it with the plan file and the journal of the run.",
    exit: ExitCode.integrity,
  });
}
