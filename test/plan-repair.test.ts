import { describe, expect, it } from "vitest";
import { repairPlan } from "../src/plan/repair.js";
import { inWorld, LOCATIONS, type World } from "./support/plan-cases.js";
import { type Given, lines, NOW } from "./support/world.js";

const rot = (address: string): Given => {
  const [location = "", key = ""] = address.split(":");
  return { location, key, content: "A", state: "rot" };
};

const cases: (World & { name: string; plan: string[] })[] = [
  {
    name: "takes the copy from the location of the highest priority",
    files: [rot("nas:a"), "primary:b A", "archive:a A"],
    plan: ["+ primary:b -> nas:a [repair]"],
  },
  {
    name: "leaves alone what has no good copy, and what is damaged everywhere",
    files: [rot("nas:a"), rot("archive:a")],
    plan: ["! nas:a no-good-copy", "! archive:a no-good-copy"],
  },
  {
    name: "writes nothing where nothing may be written",
    yaml: LOCATIONS.replace("domain: home }", "read_only: true }"),
    files: [rot("nas:a"), "primary:a A"],
    plan: ["! nas:a destination-read-only"],
  },
  {
    name: "I5 neither repairs nor reads what it can not rely on",
    facts: { nas: { suspect: "its marker is missing" }, primary: { suspect: "it shrank" } },
    files: [rot("nas:a"), "archive:a A", rot("archive:b"), { location: "primary", key: "b", content: "B" }],
    plan: ["+ archive:a -> archive:b [repair]", "! nas:a suspect"],
  },
  {
    name: "replaces nothing in a store that does not let go safely",
    yaml: `${LOCATIONS}  - { name: s3, type: s3, bucket: media, region: us-west-2 }\n`,
    files: [rot("s3:a"), "primary:a A"],
    plan: ["! s3:a append-only"],
  },
];

describe("S13 a repair plan", () => {
  it.each(cases)("$name", async (world) => {
    const made = await inWorld(world, (config, catalog) => repairPlan(config, catalog, { now: NOW, version: "0" }));
    expect(lines(made)).toEqual(world.plan);
    expect(made.header.applyable).toBe(true);
  });
});
