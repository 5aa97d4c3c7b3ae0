import process from "node:process";
import { ExitCode } from "../lib/error.js";
import type { Output } from "./output.js";

export interface Interrupt {
  /** Fires at the first Ctrl-C (or SIGTERM): finish the files that are under way, start nothing more. */
  stop: AbortSignal;
  /** Fires at the second: leave them. */
  abort: AbortSignal;
}

/**
 * Runs `body` while Ctrl-C is heard. The third ends the process at once; that is safe too: what was killed goes on when it is run again. With
 * `reads`, nothing is left half done that would have to be tidied up, and the second does: a store that does not answer is not waited for.
 */
export async function interruptible<T>(
  output: Output,
  body: (interrupt: Interrupt) => Promise<T>,
  { reads = false } = {},
): Promise<T> {
  const stop = new AbortController();
  const abort = new AbortController();
  const handle = (): void => {
    if (abort.signal.aborted || (reads && stop.signal.aborted)) {
      process.stderr.write(process.stderr.isTTY ? "\u001b[?25h\n" : "");
      process.exit(ExitCode.interrupted);
    }
    if (stop.signal.aborted) {
      abort.abort();
      return;
    }
    stop.abort();
    output.progress.note("Interrupted: finishing these files; Ctrl-C again leaves them.");
  };
  process.on("SIGINT", handle);
  process.on("SIGTERM", handle);
  try {
    return await body({ stop: stop.signal, abort: abort.signal });
  } finally {
    // Whoever asked to stop may ask again while the result is being told: that ends with 130 too, not by the signal.
    if (!stop.signal.aborted) {
      process.off("SIGINT", handle);
      process.off("SIGTERM", handle);
    }
  }
}
