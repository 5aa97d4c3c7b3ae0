import process from "node:process";
import { ExitCode } from "../lib/error.js";
import type { Output } from "./output.js";

export interface Interrupt {
  /** Fires at the first Ctrl-C (or SIGTERM): finish the files that are under way, start nothing more. */
  stop: AbortSignal;
  /** Fires at the second: leave them. */
  abort: AbortSignal;
}

/** How many `interruptible`s hear signals now. */
let hearing = 0;

/**
 * From now on a Ctrl-C or SIGTERM that no `interruptible` hears ends the process with 130, and not by the signal: at these times nothing is under way
 * that would have to be finished.
 */
export function endWhenInterrupted(): void {
  const handle = (): void => {
    if (hearing === 0) leave("Interrupted.");
  };
  process.on("SIGINT", handle);
  process.on("SIGTERM", handle);
}

function leave(said: string): never {
  process.stderr.write(`${process.stderr.isTTY ? "\u001b[?25h\n" : ""}${said && `${said}\n`}`);
  process.exit(ExitCode.interrupted);
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
    if (abort.signal.aborted || (reads && stop.signal.aborted)) leave("");
    if (stop.signal.aborted) {
      abort.abort();
      return;
    }
    stop.abort();
    output.progress.note("Interrupted: finishing these files; Ctrl-C again leaves them.");
  };
  process.on("SIGINT", handle);
  process.on("SIGTERM", handle);
  hearing += 1;
  try {
    return await body({ stop: stop.signal, abort: abort.signal });
  } finally {
    // Whoever asked to stop may ask again while the result is being told: that ends with 130 too, not by the signal.
    if (!stop.signal.aborted) {
      process.off("SIGINT", handle);
      process.off("SIGTERM", handle);
      hearing -= 1;
    }
  }
}
