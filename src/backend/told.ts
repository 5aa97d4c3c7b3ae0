import { codeOf, messageOf, StowageError } from "../lib/error.js";

/** An error, as far as it can cross threads. */
export interface Told {
  code?: string;
  message: string;
  hint?: string | undefined;
}

export function told(error: unknown): Told {
  if (!(error instanceof StowageError)) {
    // What nobody foresaw is told with its stack.
    const message =
      error instanceof Error && codeOf(error) === undefined ? (error.stack ?? error.message) : messageOf(error);
    return { message };
  }
  const { code, message, hint } = error;
  return { code, message, hint };
}

export const untold = ({ code, message, hint }: Told): Error =>
  code === undefined ? new Error(message) : new StowageError(code, message, hint === undefined ? {} : { hint });
