import { createReadStream } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { basename } from "node:path";
import { codeOf, messageOf, StowageError } from "../lib/error.js";
import { journalDirectory, journalFile } from "./journal.js";

/** Where journals are read from. */
export interface JournalSource {
  /** The names of all runs, oldest first. */
  runs(): Promise<string[]>;
  /** The bytes of one journal. @throws `NO_SUCH_RUN` */
  bytes(run: string): AsyncIterable<Buffer>;
  /** Where they lie, for people. */
  readonly name: string;
  /** Where people find that journal. */
  placeOf(run: string): string;
}

/** The journals of a state directory. */
export function journalsIn(state: string): JournalSource {
  return {
    name: journalDirectory(state),
    placeOf: (run) => journalFile(state, run),
    async runs() {
      try {
        const files = await readdir(journalDirectory(state));
        const journals = files.filter((file) => file.endsWith(".ndjson"));
        return journals.map((file) => file.slice(0, -".ndjson".length)).sort();
      } catch (error) {
        if (codeOf(error) === "ENOENT") return [];
        throw new StowageError("JOURNAL_FAILED", `the journals in ${state} can not be read: ${messageOf(error)}`, {
          hint: "Fix the state directory: what earlier runs did is only known from there.",
          cause: error,
        });
      }
    },
    async *bytes(run) {
      const file = journalFile(state, basename(run));
      try {
        for await (const chunk of createReadStream(file)) yield chunk as Buffer;
      } catch (error) {
        // A link that leads nowhere is a damaged journal, not none.
        if (codeOf(error) !== "ENOENT" || (await lstat(file).catch(() => undefined))) throw error;
        throw noSuchRun(run);
      }
    },
  };
}

export const noSuchRun = (run: string): StowageError =>
  new StowageError("NO_SUCH_RUN", `there is no run ${run}`, { hint: "`stowage history` lists the runs." });

/** A state directory stands for its journals. */
export const sourceOf = (from: string | JournalSource): JournalSource =>
  typeof from === "string" ? journalsIn(from) : from;
