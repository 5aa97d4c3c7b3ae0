import { ExitCode, StowageError } from "../lib/error.js";

/** Runs a parser of the configuration on what was typed: what it complains of is wrong usage. */
export function typed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    throw usage(error.code, error.message, error.hint);
  }
}

export const usage = (code: string, message: string, hint?: string): StowageError =>
  new StowageError(code, message, { ...(hint === undefined ? {} : { hint }), exit: ExitCode.usage });
