import { describe, expect, it } from "vitest";
import { loadSites } from "../src/plan/site.js";
import { inWorld, LOCATIONS, planned, run } from "./support/plan-cases.js";
import { catalogOf, configOf, type Given, type SiteFacts } from "./support/world.js";

const OFF = LOCATIONS.replace("[overflow] }", "[overflow], status: offline }");
const at = (location: string, key: string, rest: Partial<Given>): Given => ({ location, key, content: "A", ...rest });

describe("what can not be planned for is said, once", () => {
  run([
    {
      name: "S8 a default that is offline: one item for all that may wait, none for a rule that no file waits for",
      yaml: `${OFF}rules:\n  - { name: none, match: { path: "/no/**" }, action: copy, destination: old }\n  - default: old\n`,
      files: ["primary:a A", "primary:b B"],
      plan: ["! old: destination-offline"],
    },
    {
      name: "S8 a default that is offline and that nothing waits for is no item",
      yaml: `${OFF}rules:\n  - { name: c, match: {}, action: copy, destination: nas }\n  - default: old\n`,
      files: ["primary:a A"],
      plan: ["+ primary:a -> nas:a"],
    },
    {
      name: "S1 a file of unknown content is blocked for the default too, but not where it is kept or at home",
      rules: `  - { name: k, match: { path: "/k/**" }, action: keep }\n  - default: nas\n`,
      files: ["primary:a ?", "primary:k/b ?", "nas:c ?"],
      plan: ["! primary:a unidentified"],
    },
    {
      name: "S1 a file of unknown content that no rule wants anything of is no item",
      rules: `  - { name: c, match: { path: "/c/**" }, action: copy, destination: nas }\n`,
      files: ["primary:a ?"],
      plan: [],
    },
    {
      name: "I5 nothing is planned where every location is away",
      yaml: `${LOCATIONS.replaceAll(" }\n", ", status: offline }\n")}rules:\n  - { name: c, match: {}, action: copy, destination: nas }\n`,
      files: ["primary:a A"],
      plan: [],
    },
    {
      name: "what goes in this plan is not read any more, although it is due",
      yaml: `${LOCATIONS.replace("[inbox] }", "[inbox], verify: { every: 90d } }")}rules:\n  - { name: d, match: { path: "/d/**" }, action: delete }\n`,
      files: [at("primary", "d/a", { verified: 99 }), at("primary", "b", { content: "B", verified: 99 }), "nas:a A"],
      plan: ["- primary:d/a", "? primary:b"],
    },
  ]);

  it("S2 read_only says nothing of rules that match no file there", async () => {
    const yaml = LOCATIONS.replace("[overflow] }", "[overflow], read_only: true }");
    const rules = `rules:\n  - { name: none, match: { path: "/no/**" }, action: delete, from: [old] }\n`;
    expect((await planned({ yaml: yaml + rules, files: ["old:a A"] })).footer.blocked).toEqual([]);
  });
});

const STORES = `version: 1
locations:
  - { name: disk, type: local, path: /a, capacity: { keep_free: 10% } }
  - { name: spare, type: local, path: /b, capacity: { keep_free: 5KB, max: 1MB } }
  - { name: tape, type: azure, account: acct, container: cold, storage_class: Archive }
  - { name: vault, type: s3, bucket: vault, region: us-west-2, storage_class: DEEP_ARCHIVE }
  - { name: disks, type: plugin, use: ./disks.js }
  - { name: gone, type: local, path: /e, status: offline }
`;
const SAFE = { store: { createOnly: true, conditionalRemove: true, listAfterWrite: true } };

async function sitesOf(yaml: string, facts: Record<string, SiteFacts> = {}, change = "") {
  return inWorld({ yaml, files: ["disk:a A", "spare:a A"], facts }, async (config, catalog) => {
    if (change !== "") await catalog.run({ text: change, values: [] });
    return new Map((await loadSites(config, catalog)).map((site) => [site.name, site]));
  });
}

describe("what the planner takes a location for", () => {
  it("a limit is what the device can still take above keep_free, or max, whichever is lower", async () => {
    const room = { total: 100_000, free: 40_000 };
    const sites = await sitesOf(STORES, { disk: room, spare: { total: 100_000, free: 4_000 }, disks: room });
    expect(sites.get("disk")).toMatchObject({ used: 1000, limit: 31_000 });
    expect(sites.get("spare")).toMatchObject({ limit: 1000 });
    expect(sites.get("disks")).toMatchObject({ limit: 40_000 });
    expect(sites.get("vault")?.limit).toBeUndefined();
  });

  it("what arrives in an archive class can not be looked at again, unless the store's checksum is trusted", async () => {
    const sites = await sitesOf(STORES);
    expect([sites.get("tape")?.shut, sites.get("vault")?.shut, sites.get("disk")?.shut]).toEqual([
      "Archive",
      "DEEP_ARCHIVE",
      undefined,
    ]);
    const trusting = await sitesOf(`${STORES}safety: { verify: checksum }\n`);
    expect(trusting.get("tape")?.shut).toBeUndefined();
  });

  it("S6 a store lets go only what it was seen to let go safely; a plug-in that is no object store is like a disk", async () => {
    const sites = await sitesOf(STORES, { vault: { features: SAFE }, tape: { features: { store: {} } } });
    expect([...sites].map(([name, { stuck }]) => [name, stuck?.code])).toEqual([
      ["disk", undefined],
      ["spare", undefined],
      ["tape", "append-only"],
      ["vault", undefined],
      ["disks", undefined],
      ["gone", undefined],
    ]);
    expect(sites.get("tape")?.stuck?.reason).toContain("does not honour");
    const unseen = await sitesOf(STORES, {}, "UPDATE storage_locations SET features = NULL");
    expect(unseen.get("disks")?.stuck?.reason).toContain("before it is known");
  });

  it("S14 I5 a location that nobody has scanned counts for nothing, whether the catalog knows it or not", async () => {
    const config = configOf(STORES);
    const catalog = await catalogOf({ ...config, locations: config.locations.slice(1) }, []);
    await catalog.run({ text: "UPDATE storage_locations SET last_scan = NULL WHERE name <> 'vault'", values: [] });
    await catalog.run({ text: "UPDATE storage_locations SET suspect = 'no marker' WHERE name = 'tape'", values: [] });
    await catalog.run({ text: "UPDATE scans SET status = 'partial'", values: [] });
    const sites = await loadSites(config, catalog);
    await catalog.close();
    const never = "it has not been scanned yet";
    expect(
      sites.map(({ name, suspect, usable, writable, scan }) => [name, scan.status, suspect, usable || writable]),
    ).toEqual([
      ["disk", "never", never, false],
      ["spare", "never", never, false],
      ["tape", "never", "no marker", false],
      ["vault", "partial", undefined, true],
      ["disks", "never", never, false],
      ["gone", "offline", undefined, false],
    ]);
    expect(sites[0]).toMatchObject({ used: 0, scan: { uuid: null, files: 0, bytes: 0 } });
  });
});
