import process from "node:process";
import { ExitCode } from "../lib/error.js";

/**
 * A signal that fires at the first Ctrl-C (or SIGTERM): the work finishes the file it is at and stops. The second ends the
 * process at once, which is safe too: a run that is killed is continued by running it again.
 */
export function onInterrupt(tell: (text: string) => void): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const handle = (): void => {
    if (controller.signal.aborted) {
      process.stderr.write("\u001b[?25h\n");
      process.exit(ExitCode.interrupted);
    }
    controller.abort();
    tell("Interrupted: finishing the current files. Press Ctrl-C again to stop at once.");
  };
  process.on("SIGINT", handle);
  process.on("SIGTERM", handle);
  return {
    signal: controller.signal,
    release() {
      process.off("SIGINT", handle);
      process.off("SIGTERM", handle);
    },
  };
}
