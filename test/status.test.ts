import { describe, expect, it } from "vitest";
import { collect } from "../src/lib/iter.js";
import { explain } from "../src/plan/explain.js";
import { fileStates, status } from "../src/plan/status.js";
import { catalogOf, configOf, given, NOW, type SiteFacts } from "./support/world.js";

const YAML = `
version: 1
locations:
  - { name: ssd, type: local, path: /a, priority: 100 }
  - { name: nas, type: network, mount_path: /b, purpose: [backup] }
rules:
  - { name: keyed, match: { ext: raw }, action: copy, destination: nas, key: "{project}/{filename}" }
  - { name: all, match: { location: ssd }, action: copy, destination: nas }
`;
const config = configOf(YAML);
const open = (files: string[], facts: Record<string, SiteFacts> = {}) => catalogOf(config, files.map(given), facts);
const options = { now: NOW, version: "0" };

describe("status", () => {
  it("names the seeds' states: synced, pending upload, pending update, conflict, missing", async () => {
    const catalog = await open(["ssd:same A", "nas:same A", "ssd:new B", "ssd:clash C", "nas:clash D"]);
    await catalog.run({
      text: "UPDATE file_locations SET state = 'missing' WHERE key = 'same' AND location = 'nas'",
      values: [],
    });
    expect((await status(config, catalog, options)).summary).toEqual({
      synced: 1,
      "pending upload": 2,
      "pending update": 0,
      conflict: 1,
      missing: 1,
      suspect: 0,
      offline: 0,
    });
    await catalog.close();
  });

  it("never calls a file synced that waits for a location that is away (I5)", async () => {
    const catalog = await open(["ssd:new A", "ssd:known B", "nas:known B"], { nas: { suspect: "it is not mounted" } });
    const { summary } = await status(config, catalog, options);
    expect(summary).toMatchObject({ synced: 1, "pending upload": 1, suspect: 1 });
    expect(await collect(fileStates(catalog, { away: true }))).toMatchObject([
      { location: "nas", key: "known", status: "suspect" },
      { key: "new", status: "pending upload", detail: expect.stringContaining("not mounted") },
    ]);
    await catalog.close();
  });

  it("never calls a file synced that lies where nothing may rely on it (S14)", async () => {
    const files = ["nas:whole A", "nas:gone B", "nas:rotten C", "ssd:whole A"].map(given);
    const [whole, gone, rotten, other] = files;
    const seen = [whole!, { ...gone!, state: "missing" }, { ...rotten!, state: "rot" }, other!];
    const catalog = await catalogOf(config, seen, { nas: { suspect: "its marker is missing" } });
    const { locations } = await status(config, catalog, options);
    expect(locations[1]).toMatchObject({ files: 2, suspect: "its marker is missing" });
    expect(await collect(fileStates(catalog, { all: true }))).toMatchObject([
      { location: "nas", key: "gone", status: "missing" },
      { location: "nas", key: "rotten", status: "conflict", detail: "damaged" },
      { location: "nas", key: "whole", status: "suspect", detail: "its marker is missing" },
      { location: "ssd", key: "whole", status: "synced", detail: null },
    ]);
    expect(await collect(fileStates(catalog))).toMatchObject([{ key: "gone" }, { key: "rotten" }]);
    await catalog.close();
  });

  it.each([
    "offline",
    "retired",
  ])("never calls a file synced whose location is %s, as soon as storage.yaml says so", async (word) => {
    const catalog = await open(["ssd:both A", "nas:both A", "nas:only B"]);
    expect((await status(config, catalog, options)).summary).toMatchObject({ synced: 3, offline: 0 });
    const away = configOf(YAML.replace("purpose: [backup]", `status: ${word}`));
    expect((await status(away, catalog, options)).summary).toMatchObject({ offline: 2, suspect: 0 });
    const files = await collect(fileStates(catalog, { away: true }));
    expect(files.filter(({ location }) => location === "nas")).toEqual([
      { location: "nas", key: "both", status: "offline", detail: `status: ${word}` },
      { location: "nas", key: "only", status: "offline", detail: `status: ${word}` },
    ]);
    expect((await collect(fileStates(catalog))).map(({ location }) => location)).not.toContain("nas");
    expect((await status(config, catalog, options)).summary).toMatchObject({ synced: 3, offline: 0 });
    await catalog.close();
  });

  it("never calls a file synced that is blocked", async () => {
    const catalog = await open(["ssd:a.raw A"]);
    expect((await status(config, catalog, options)).summary).toMatchObject({ synced: 0, "pending upload": 1 });
    await catalog.close();
  });
});

describe("explain", () => {
  it("says what a file waits for", async () => {
    const catalog = await open(["ssd:new A"], { nas: { suspect: "it is not mounted" } });
    const { blocked, decision } = await explain(config, catalog, { location: "ssd", key: "new" }, options);
    expect(decision).toBe("all");
    expect(blocked).toMatchObject([{ code: "suspect", reason: expect.stringContaining("not mounted") }]);
    await catalog.close();
  });

  it.each([
    { state: "settling", code: "SETTLING" },
    { state: "rot", code: "ROT" },
    { state: "missing", code: "MISSING" },
  ])("says that a file is $state", async ({ state, code }) => {
    const catalog = await catalogOf(config, [{ location: "ssd", key: "x", content: "A", state }]);
    await expect(explain(config, catalog, { location: "ssd", key: "x" }, options)).rejects.toMatchObject({ code });
    await catalog.close();
  });
});
