import { expect, it } from "vitest";
import { compileMatch } from "../src/config/match.js";
import { collect } from "../src/lib/iter.js";
import { BETWEEN, type Found, find, findJson } from "../src/plan/find.js";
import { inWorld } from "./support/plan-cases.js";
import { type Given, NOW } from "./support/world.js";

const NAMES = [
  "a.jpg",
  'quo"te',
  "back\\slash",
  "tab\tnew\nline",
  "\u0001\u001f\u007f",
  "ü-\u{1f600}",
  "\u202e",
  "</script>",
];

it("what DuckDB writes as JSON is what was found, whatever the names", async () => {
  const files = NAMES.map(
    (key, index): Given => ({ location: "primary", key, size: index, ...(index % 2 ? { content: key } : {}) }),
  );
  await inWorld({ files }, async (config, catalog) => {
    const found = await collect(find(config, catalog, compileMatch({}), { now: NOW }));
    const groups = await collect(findJson(config, catalog, compileMatch({}), { now: NOW }));
    const lines = groups.flatMap((group) => group.split(BETWEEN));
    const shown = ({ sha256, modified, ...file }: Found) => ({
      ...file,
      content: sha256 === null ? null : `sha256:${sha256}`,
      modified: new Date(modified).toISOString(),
    });
    expect(lines.map((line) => JSON.parse(line))).toEqual(found.map(shown));
    // Byte for byte, but for the case of the digits in an escape.
    const plain = found.findIndex(({ key }) => key === "a.jpg");
    expect(lines[plain]).toBe(JSON.stringify(shown(found[plain]!)));
    expect(found).toHaveLength(NAMES.length);
  });
});

it("writes more files than DuckDB hands over at once, each exactly once and in order", async () => {
  const files = Array.from(
    { length: 5_000 },
    (_, index): Given => ({ location: "primary", key: `${String(index).padStart(4, "0")}.txt`, content: "A" }),
  );
  await inWorld({ files }, async (config, catalog) => {
    const groups = await collect(findJson(config, catalog, compileMatch({}), { now: NOW }));
    expect(groups.length).toBeGreaterThan(1);
    const found = JSON.parse(`[${groups.join(BETWEEN)}]`) as { key: string }[];
    expect(found.map(({ key }) => key)).toEqual(files.map(({ key }) => key));
  });
});

it.each([
  { places: "primary nas=1 archive=1", copies: 2 },
  { places: "primary=1 primary=2 nas=1", copies: 2 },
  { places: "primary=1 nas=1 archive=2 archive=3", copies: 2 },
  { places: "primary=1 nas=1 archive old", copies: 3 },
  { places: "primary=1 nas=1 archive=2 archive=3 old=1", copies: 2 },
  { places: "primary=1 primary=2 nas=1 nas=3 archive=1 archive", copies: 3 },
])("S6 counts $copies copies of $places, as the planner does: hard links are one", async ({ places, copies }) => {
  const files = places.split(" ").map((place, index): Given => {
    const [location = "", link] = place.split("=");
    return { location, key: `f${index}`, content: "A", ...(link && { physical: `1:${link}` }) };
  });
  await inWorld({ files }, async (config, catalog) => {
    const match = compileMatch({ copies });
    expect(await collect(find(config, catalog, match, { now: NOW }))).toHaveLength(files.length);
  });
});
