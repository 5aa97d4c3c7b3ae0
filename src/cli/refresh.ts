import type { Catalog } from "../catalog/catalog.js";
import { ExitCode, StowageError } from "../lib/error.js";
import { duration, plural } from "../report/format.js";
import { viewScan } from "../report/scan-progress.js";
import { problemsText } from "../report/scan-text.js";
import type { ScanReport } from "../scan/scan.js";
import type { HashMode } from "../scan/stage.js";
import { interruptible } from "./interrupt.js";
import { openJournals, warnOfDamage } from "./journals.js";
import type { Output } from "./output.js";
import type { Workspace } from "./workspace.js";

export interface RefreshOptions {
  locations?: readonly string[];
  hash?: HashMode;
  /** Print progress as events on stdout. */
  events?: boolean;
}

/**
 * Brings the catalog up to date: what a killed apply removed without recording it is no drift.
 * @throws `INTERRUPTED` after the files that were being read; what was read until then is kept
 */
export async function refresh(
  workspace: Workspace,
  catalog: Catalog,
  output: Output,
  options: RefreshOptions,
): Promise<ScanReport> {
  const { scan } = await import("../scan/scan.js");
  const { expectedUuids } = await import("../apply/journal-read.js");
  const { unrecordedRemovals } = await import("../apply/record.js");
  const { recallProofs } = await import("../apply/proofs.js");
  const { config } = workspace;
  const backends = await workspace.backends();
  const onDamage = warnOfDamage(output);
  const removed = await unrecordedRemovals(config.settings.state, catalog, onDamage);
  const names = config.locations.filter(
    ({ name }) => backends.has(name) && (options.locations?.includes(name) ?? true),
  );
  const wanted = names.map(({ name }) => name);
  const journals = await openJournals(workspace, output);
  const view = await viewScan(output.progress, "Scanning", wanted);
  let done = false;
  try {
    return await interruptible(
      output,
      async ({ stop }) => {
        const report = await scan(config, catalog, backends, {
          ...(options.locations ? { locations: options.locations } : {}),
          now: workspace.clock(),
          hash: options.hash ?? "auto",
          removed,
          expectedUuids: await expectedUuids(journals, { wanted, onDamage }),
          signal: stop,
          onEvent(event) {
            view.onEvent(event);
            if (options.events) output.progressEvent(event.location, event);
          },
        });
        view.settle(report);
        if (report.locations.some(({ added, changed }) => added + changed > 0))
          await recallProofs(config.settings.state, catalog, onDamage);
        if (stop.aborted) throw interrupted();
        done = true;
        return report;
      },
      { reads: true },
    );
  } finally {
    await view.end(done);
  }
}

export const interrupted = (): StowageError =>
  new StowageError("INTERRUPTED", "interrupted", {
    hint: "What was done so far is kept; run the command again to go on.",
    exit: ExitCode.interrupted,
  });

/** Tells of files that are too young to be in the catalog. */
export function noteSettling(report: ScanReport, output: Output, settle: number): void {
  const young = report.locations.reduce((sum, { settling }) => sum + settling, 0);
  if (young > 0)
    output.note(
      `${plural(young, "file")} changed in the last ${duration(settle)} (\`settings.settle\`) and ${young === 1 ? "is" : "are"} left alone for now.`,
    );
}

/** Tells of files and folders that could not be read and files that are too young, where the command itself does not list them. */
export function noteProblems(report: ScanReport, output: Output, settle: number): void {
  noteSettling(report, output, settle);
  const number = report.locations.reduce((sum, { problemCount }) => sum + problemCount, 0);
  if (number > 0)
    output.warn(
      `${problemsText(report.locations)} could not be read and ${number === 1 ? "is" : "are"} left alone; \`stowage scan\` lists them.`,
    );
}
