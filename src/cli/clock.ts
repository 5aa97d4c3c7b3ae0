import { ExitCode, StowageError } from "../lib/error.js";

const ISO_WITH_ZONE = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})$/i;

/** The clock in milliseconds: the system's, or a standing one where `STOWAGE_NOW` sets it. */
export function openClock(fixed: string | undefined): () => number {
  if (fixed === undefined || fixed === "") return Date.now;
  const at = ISO_WITH_ZONE.test(fixed) ? Date.parse(fixed) : Number.NaN;
  if (Number.isNaN(at)) {
    throw new StowageError("BAD_CLOCK", `STOWAGE_NOW is "${fixed}", which is not an ISO 8601 instant with a zone`, {
      hint: "Write it like 2026-03-01T12:00:00Z, or unset it.",
      exit: ExitCode.usage,
    });
  }
  return () => at;
}
