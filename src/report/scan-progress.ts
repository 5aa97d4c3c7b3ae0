import type { LocationScan } from "../scan/record.js";
import { bytes, plural } from "./format.js";
import type { Counters, Progress } from "./progress.js";

/** What scanning and verifying tell of a location while they run. */
export interface LocationEvent extends Counters {
  location: string;
  phase: string;
}

/** Follows a scan or a verification: one row per location. */
export interface ScanView {
  onEvent(event: LocationEvent): void;
  /** Shows how each location ended. */
  settle(report: { locations: readonly Pick<LocationScan, "location" | "status">[] }): void;
  /** See `Phase.end`. */
  end(done?: boolean): Promise<void>;
}

export async function viewScan(progress: Progress, title: string, locations: readonly string[]): Promise<ScanView> {
  const phase = await progress.phase(title, locations);
  const ended = new Set<string>();
  return {
    onEvent(event) {
      const { location, files } = event;
      // While it lists, a location has no bytes that were read; those of the files would show as a speed.
      if (event.phase === "walk") phase.update(location, { files, bytes: 0 });
      else if (event.phase !== "done") phase.update(location, event);
      else if (files > 0) {
        phase.finish(location, `${plural(files, "file")}, ${bytes(event.bytes)}`);
        ended.add(location);
      }
    },
    settle(report) {
      for (const { location, status } of report.locations) {
        if (ended.has(location)) continue;
        if (status === "complete") phase.finish(location, "0 files");
        else phase.fail(location, status);
      }
    },
    end: (done) => phase.end(done),
  };
}
