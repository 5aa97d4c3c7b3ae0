import { describe, expect, it } from "vitest";
import { checkHealth } from "../src/apply/health.js";
import type { Backend } from "../src/backend/backend.js";
import { memoryBackend } from "../src/backend/memory.js";

const UUID = "6f1c2d3e-0000-4000-8000-000000000001";

async function marked() {
  const backend = memoryBackend("there");
  await backend.writeMarker(UUID);
  let asked = 0;
  const counting: Backend = {
    ...backend,
    async marker() {
      asked++;
      await new Promise((resolve) => setTimeout(resolve, 5));
      return await backend.marker();
    },
  };
  const scans = [{ location: "there", scan: 1, at: "2026-01-01T00:00:00Z", uuid: UUID, status: "complete" }] as never;
  const health = await checkHealth(scans, new Map([["there", counting]]));
  return { health, backend, count: () => asked };
}

describe("the marker, looked at during a run (S14)", () => {
  it("is asked for once by all actions that start at the same moment", async () => {
    const { health, count } = await marked();
    const before = count();
    await Promise.all(Array.from({ length: 16 }, () => health.require("there")));
    expect(count() - before).toBe(1);
  });

  it("is asked for by each removal by itself", async () => {
    const { health, count } = await marked();
    const before = count();
    await Promise.all([health.require("there"), health.requireNow("there"), health.requireNow("there")]);
    expect(count() - before).toBe(3);
  });

  it.each([
    { location: "there", status: "suspect", why: "it was suspect when the plan was made" },
    { location: "there", status: "never", why: "it was never when the plan was made" },
    { location: "away", status: "complete", why: "it is not available" },
    { location: "stranger", status: "complete", why: "the plan does not know it" },
  ])("$location, $status: $why", async ({ location, status, why }) => {
    const backends = new Map(["there", "stranger"].map((name) => [name, memoryBackend(name, UUID)]));
    const scans = ["there", "away"].map((name) => ({
      location: name,
      uuid: name === "there" ? UUID : "other",
      status,
    }));
    const health = await checkHealth(scans as never, backends);
    await expect(health.requireNow(location)).rejects.toMatchObject({
      code: "LOCATION_SUSPECT",
      message: `${location} is not touched: ${why}`,
    });
  });

  it("stops all who wait when it is another one", async () => {
    const { health, backend } = await marked();
    await backend.writeMarker("6f1c2d3e-0000-4000-8000-000000000002", { replace: true });
    const all = await Promise.allSettled(Array.from({ length: 4 }, () => health.require("there")));
    expect(all.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected", "rejected"]);
    await expect(health.require("there")).rejects.toMatchObject({ code: "LOCATION_SUSPECT" });
  });
});
