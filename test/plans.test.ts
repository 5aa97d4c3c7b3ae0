import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parsePlan } from "../src/plan/file.js";
import { plan } from "../src/plan/planner.js";
import { planText } from "../src/plan/seal.js";
import { renderPlan } from "../src/report/text.js";
import { catalogOf, configOf, type Given, NOW, type SiteFacts } from "./support/world.js";

const HERE = join(import.meta.dirname, "plans");

/** `location,key,content,size,age,…` with a header line; ages in days; an empty field is the default; no quoting. */
function readEntries(file: string): Given[] {
  const [head = "", ...rows] = readFileSync(file, "utf8").trimEnd().split("\n");
  const names = head.split(",");
  return rows.map((row) => {
    const cells = row
      .split(",")
      .flatMap((value, index) => (value === "" ? [] : [[names[index] ?? "", value] as const]));
    const numbers = new Set(["size", "age", "seen", "verified", "stars"]);
    return Object.fromEntries(
      cells.map(([name, value]) => [name, numbers.has(name) ? Number(value) : value]),
    ) as unknown as Given;
  });
}

/** What the scan found out about locations, as comments in the configuration: `# facts: {"nas": {"suspect": "…"}}`. */
function readFacts(yaml: string): Record<string, SiteFacts> {
  const line = /^# facts: (.*)$/m.exec(yaml)?.[1];
  return line === undefined ? {} : (JSON.parse(line) as Record<string, SiteFacts>);
}

describe("golden plans: a configuration and instances in, the exact text a user reads out", () => {
  it.each(readdirSync(HERE))("%s", async (name) => {
    const yaml = readFileSync(join(HERE, name, "storage.yaml"), "utf8");
    const config = configOf(yaml, join(HERE, name, "storage.yaml"));
    const catalog = await catalogOf(config, readEntries(join(HERE, name, "entries.csv")), readFacts(yaml));
    try {
      const made = await plan(config, catalog, { now: NOW, version: "0" });
      const text = renderPlan(made, { width: 80, file: "storage.yaml" });
      await expect(text).toMatchFileSnapshot(join(HERE, name, "expected.plan"));
      // What the planner writes is what the reader takes for a plan.
      expect(parsePlan([...planText(made)].join(""), "plan.ndjson")).toEqual(made);
    } finally {
      await catalog.close();
    }
  });
});
