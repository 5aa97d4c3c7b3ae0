import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The library that disturbs file calls (see shim.c), built for this run; or why it can not be built here. */
export interface Shim {
  library: string;
  problem?: string;
  remove(): void;
}

export function buildShim(): Shim {
  const directory = mkdtempSync(join(tmpdir(), "stowage-shim-"));
  const library = join(directory, "shim.so");
  const remove = () => rmSync(directory, { recursive: true, force: true });
  if (process.platform !== "linux") return { library, remove, problem: "LD_PRELOAD is for Linux" };
  try {
    const source = join(import.meta.dirname, "shim.c");
    execFileSync("cc", ["-O1", "-Wall", "-shared", "-fPIC", "-o", library, source, "-ldl", "-lpthread"], {
      stdio: "pipe",
    });
    return { library, remove };
  } catch (error) {
    return { library, remove, problem: `no C compiler builds the shim here: ${String(error).split("\n")[0]}` };
  }
}

/** A file call of a run: the `number`th of its name. */
export interface Failpoint {
  name: string;
  number: number;
  path: string;
}

export interface Order {
  base: string;
  log: string;
  /** `name number fault`, as in `link:final 2 kill`. */
  at?: string[];
}

/** The environment under which a process is disturbed. */
export const disturbing = (shim: Shim, { base, log, at = [] }: Order): Record<string, string> => ({
  LD_PRELOAD: shim.library,
  FAULT_BASE: base,
  FAULT_LOG: log,
  FAULT_AT: at.join(";"),
});

/** The file calls that a run has made, in their order; and the faults among them that came true. */
export function readLog(log: string): { calls: Failpoint[]; faults: Failpoint[] } {
  const lines = readFileSync(log, "utf8").split("\n").filter(Boolean);
  const parsed = lines.map((line) => {
    const [, fault, name = "", number, path = ""] = /^(! )?(\S+) (\d+) (.*)$/.exec(line) ?? [];
    return { fault: fault !== undefined, name, number: Number(number), path };
  });
  const of = (wanted: boolean) => parsed.filter(({ fault }) => fault === wanted).map(({ fault: _, ...rest }) => rest);
  return { calls: of(false), faults: of(true) };
}
