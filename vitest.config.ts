import { defineConfig } from "vitest/config";

const PACKAGE = {
  "stowage/testing": new URL("src/testing/index.ts", import.meta.url).pathname,
  stowage: new URL("src/index.ts", import.meta.url).pathname,
};

/** Percent: of what decides about files and of what acts on them next to nothing may be untested. */
const REACHED = { lines: 95, branches: 95 };

/** Whole suites that take long: not for every day. */
const LONG = [
  "conformance",
  "bucket-conformance",
  "s3",
  "s3-store",
  "azure-store",
  "gcs-backend",
  "scan-bucket",
  "apply-gate",
  "verify",
  "verify-bucket",
  "scan-early",
  "plan-file",
  "config-all-at-once",
  "journal-verify",
  "gcs-credentials",
].map((name) => `test/${name}.test.ts`);

// "unit" is the everyday loop; "system" spawns the built CLI, real file systems and crashes, and runs in `npm test` only.
export default defineConfig({
  test: {
    globalSetup: ["test/setup/build.ts"],
    reporters: ["default", "./test/setup/summary-reporter.ts"],
    testTimeout: 30_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    // Only on demand (`npm run coverage`): the command line is tested in processes of its own, which are not counted.
    coverage: {
      provider: "v8",
      include: ["src/plan/**", "src/apply/**"],
      reporter: ["text-summary", "text"],
      thresholds: { ...REACHED, "src/plan/**": REACHED, "src/apply/**": REACHED },
    },
    projects: [
      { extends: true, test: { name: "unit", include: ["test/**/*.test.ts"], exclude: ["test/system/**", ...LONG] } },
      {
        extends: true,
        test: {
          ...{ name: "system", include: ["test/system/**/*.test.ts", ...LONG], testTimeout: 300_000 },
          globalSetup: ["test/setup/radosgw.ts"],
        },
      },
      // Examples that have tests of their own find stowage as an installed package would.
      { extends: true, test: { name: "examples", include: ["examples/**/*.test.js"] }, resolve: { alias: PACKAGE } },
    ],
  },
});
