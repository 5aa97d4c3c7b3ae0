import type { StowageError } from "../lib/error.js";
import { printable } from "../lib/key.js";
import { plain, type TextOptions } from "../report/format.js";
import type { Workspace } from "./workspace.js";

/** Why the location that `settings.lock` names can not hold a lock, as far as that is known without asking it. */
export async function lockTrouble({ config, backends }: Workspace): Promise<LockTrouble | undefined> {
  const { lock } = config.settings;
  const backend = lock === undefined ? undefined : (await backends()).get(lock);
  if (!backend) return undefined;
  const { lockProblem } = await import("../apply/lock-shared.js");
  const error = lockProblem(backend);
  if (!error) return undefined;
  return {
    error,
    *lines({ paint = plain }) {
      yield `${paint("yellow", "!")} ${printable(error.message)}`;
      if (error.hint) yield `  Next: ${printable(error.hint)}`;
    },
  };
}

export interface LockTrouble {
  error: StowageError;
  lines(options: TextOptions): Generator<string>;
}
