import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "../../..");

/** All that `npm run torture` says; where it fails that ends with the seed and the schedule, cut down. */
async function torture(...args: string[]): Promise<string> {
  const running = run(process.execPath, ["test/torture/run.js", ...args], { cwd: ROOT, maxBuffer: 64 << 20 });
  const { stdout, stderr } = await running.catch((error: { stdout: string; stderr: string }) => error);
  return stdout + stderr;
}

const counted = (told: string, what: RegExp): number => Number(what.exec(told)?.[1] ?? 0);

/** The full size is the part "schedules" of `npm run torture` itself. */
describe("random schedules of crashes, power losses, rot, users and several machines", () => {
  it("I1 to I7 hold at every destructive call of 20,000 schedules, and nothing is lost, wrong or replaced in the end", async () => {
    const told = await torture("--only", "schedules", "--schedules", "20000", "--pool", "10");
    expect(told).toContain("0 lost, 0 wrong, 0 replaced");
    expect(counted(told, /^(\d+) schedules in/m)).toBe(20_000);
    expect(counted(told, /(\d+) destructive calls judged/)).toBeGreaterThan(10_000);
    expect(counted(told, /deleted (\d+)/)).toBeGreaterThan(5_000);
    expect(counted(told, /moved (\d+)/)).toBeGreaterThan(5_000);
  }, 600_000);

  it("planted defects do not get through: a line that matters is missed at once", async () => {
    const named = "no fsync of the bytes,in a bucket,publish by overwrite,lock trusted";
    expect(await torture("--only", "mutants", "--pool", "0", "--named", named)).toContain("all 4 mutants killed");
  }, 600_000);

  it("every planted defect still fits the line that it is about, so that none can rot", async () => {
    const told = await torture("--only", "mutants", "--schedules", "0", "--pool", "0");
    expect(told).toMatch(/^(\d\d) of \1 mutants live$/m);
  }, 600_000);
});
