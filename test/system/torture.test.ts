import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const run = promisify(execFile);

const torture = async (...args: string[]): Promise<string> => {
  const { stdout } = await run(process.execPath, ["test/torture/run.js", ...args], { maxBuffer: 64 << 20 });
  return stdout;
};

describe("random schedules of crashes, power losses, rot, users and several machines", () => {
  it("I1 to I7 hold at every destructive call of 20,000 schedules, and nothing is lost, wrong or replaced in the end", async () => {
    const told = await torture("--schedules", "20000", "--pool", "40");
    expect(told).toContain("0 lost, 0 wrong, 0 replaced");
    expect(Number(/(\d+) destructive calls judged/.exec(told)?.[1])).toBeGreaterThan(10_000);
    expect(Number(/deleted (\d+)/.exec(told)?.[1])).toBeGreaterThan(5_000);
    expect(Number(/moved (\d+)/.exec(told)?.[1])).toBeGreaterThan(5_000);
  }, 600_000);

  it("planted defects do not get through: a line that matters is missed at once", async () => {
    const told = await torture(
      "--mutants",
      "--pool",
      "10",
      "--only",
      "no read-back,no conditional remove,lock trusted",
    );
    expect(told).toContain("all 3 mutants killed");
  }, 600_000);

  it("every planted defect still fits the line that it is about, so that none can rot", async () => {
    const told = await torture("--mutants", "--schedules", "0", "--pool", "0").catch(
      (error: { stdout: string }) => error.stdout,
    );
    expect(told).toMatch(/^\d\d of \d\d mutants live$/m);
  }, 600_000);
});
