import { bucket } from "./bucket.js";
import { listing } from "./listing.js";
import { naming } from "./naming.js";
import { place } from "./place.js";
import { reading } from "./reading.js";
import { refusesToRemove, removing } from "./removing.js";
import type { ConformanceCase, Subject } from "./subject.js";
import { writing } from "./writing.js";

/** Every promise of the backend contract that can be tried from outside. Independent of a test runner. */
export const conformanceCases: readonly ConformanceCase[] = [
  ...writing,
  ...naming,
  ...reading,
  ...listing,
  ...removing,
  ...place,
  ...bucket,
];

/** Runs one case on a fresh subject. @returns false when the subject can not do what the case needs */
export async function runCase(each: ConformanceCase, open: () => Promise<Subject>): Promise<boolean> {
  const subject = await open();
  try {
    if (each.needs && !subject[each.needs]) return false;
    const missing = () => Promise.reject(new Error("not provided"));
    const trial = { overwrite: missing, unplug: missing, large: 0, removes: true, ...subject };
    if (each.removes && !trial.removes) await refusesToRemove(trial);
    else await each.run(trial);
    return true;
  } finally {
    await subject.backend.close();
    await subject.dispose?.();
  }
}

/**
 * Registers the whole suite with vitest: `await describeBackend("s3", async () => ({ backend: s3Backend(…) }))` is a
 * complete test file. `open` is called once per case and gives an empty location each time.
 */
export async function describeBackend(name: string, open: () => Promise<Subject>): Promise<void> {
  // Only who tests needs it.
  const { describe, it } = await import("vitest");
  describe(`the backend contract: ${name}`, () => {
    for (const each of conformanceCases) {
      const timeout = each.timeout === undefined ? {} : { timeout: each.timeout };
      it(each.name, timeout, async ({ skip }) => {
        if (!(await runCase(each, open))) skip(`needs ${each.needs}`);
      });
    }
  });
}
