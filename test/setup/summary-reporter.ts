import { relative } from "node:path";
import type { Reporter, TestCase, TestModule, TestRunEndReason } from "vitest/node";

/**
 * Ends a run with what a person and a script both want to know: which tests were skipped and why (a skipped test proves
 * nothing, so it is never silent), then one line `N passed, N failed, N skipped`. A module that does not load, an error
 * outside any test and a run that could not start count as failed.
 */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[], reason: TestRunEndReason): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (state: string): number => tests.filter((test) => test.result().state === state).length;
    const broken = modules.filter((module) => module.errors().length > 0).length;
    const skipped = tests.filter((test) => ["skipped", "pending"].includes(test.result().state));
    const lines = skipped.map((test) => `SKIPPED ${titleOf(test)}: ${reasonOf(test)}`).sort();
    const failed = count("failed") + broken + unhandled.length;
    const totals = `${count("passed")} passed, ${failed === 0 && reason !== "passed" ? 1 : failed} failed, ${skipped.length} skipped`;
    process.stdout.write(`${[...lines, totals].join("\n")}\n`);
  }
}

function titleOf(test: TestCase): string {
  return `${relative(process.cwd(), test.module.moduleId)} > ${test.fullName}`;
}

function reasonOf(test: TestCase): string {
  const result = test.result();
  return (result.state === "skipped" && result.note) || "no reason given";
}
