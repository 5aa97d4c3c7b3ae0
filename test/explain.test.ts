import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Catalog } from "../src/catalog/catalog.js";
import { type ExplainedMatch, explain } from "../src/plan/explain.js";
import { plan } from "../src/plan/planner.js";
import { catalogOf, configOf, NOW } from "./support/world.js";

const config = configOf(`version: 1
locations:
  - { name: ssd, type: local, path: /a, priority: 100, layout: "{project}/{take}/**" }
  - { name: nas, type: local, path: /b, purpose: [backup] }
  - { name: away, type: local, path: /c, status: offline }
  - { name: lost, type: local, path: /d }
sets:
  good: { any: [ { stars: ">=4" }, { tags: hero } ] }
rules:
  - { name: held, match: { path: "/legal/**", not: { ext: tmp } }, action: keep }
  - { name: heroes, match: { set: good }, action: copy, destination: [nas, away], continue: true }
  - { name: takes, match: { attr.take: ">=10", project: "film-*" }, action: copy, destination: nas }
  - { name: named, match: { attr.take: last, type: [image/png, image/jpeg] }, action: copy, destination: nas }
  - { name: rest, match: {}, action: copy, destination: nas }
  - default: nas
require:
  - { name: two, match: { project: film-a }, copies: 2 }
`);

let catalog: Catalog;
beforeAll(async () => {
  catalog = await catalogOf(
    config,
    [
      { location: "ssd", key: "film-a/12/x.jpg", content: "X", stars: 5, tags: "hero|night" },
      { location: "ssd", key: "film-b/last/y.jpg", content: "Y" },
      { location: "ssd", key: "film-b/7/z.jpg", content: "Z" },
      { location: "ssd", key: "legal/1/u", stars: 4 },
      { location: "away", key: "z", content: "Z" },
      { location: "ssd", key: "homed", content: "H" },
      { location: "nas", key: "homed", content: "H" },
    ],
    { lost: { suspect: "its marker is missing" } },
  );
});
afterAll(() => catalog.close());

const about = (key: string, location = "ssd", other = config) =>
  explain(other, catalog, { location, key }, { now: NOW });

/** The verdict on a condition as a text: `+` it holds, `-` it does not, with what it saw. */
const told = ({ text, matched, value, of }: ExplainedMatch): string =>
  `${matched ? "+" : "-"}${text}${value === undefined ? "" : ` (${value})`}${of ? `[${of.map(told).join(" ")}]` : ""}`;
const rules = (explained: Awaited<ReturnType<typeof about>>) =>
  explained.rules.map(({ name, verdict }) => `${name}: ${verdict}`);

describe("explain", () => {
  it("says of every rule whether it decides, adds, came too late or does not match", async () => {
    const explained = await about("film-a/12/x.jpg");
    expect(rules(explained)).toEqual([
      "held: no match",
      "heroes: adds",
      "takes: decides",
      "named: no match",
      "rest: matched but an earlier rule decides",
      "two: holds for it",
    ]);
    expect(explained).toMatchObject({ decision: "takes", address: "ssd:film-a/12/x.jpg", size: 1000 });
    expect(explained.values).toMatchObject({ project: "film-a", tags: "hero, night", stars: 5, copies: 1 });
    expect(explained.actions.map(({ kind, to }) => `${kind} ${to?.location}`)).toEqual(["copy nas"]);
  });

  it("says of every condition whether it holds, and what it saw", async () => {
    const { rules: all } = await about("film-a/12/x.jpg");
    expect(all.map(({ match }) => told(match))).toEqual([
      "-all[-path: /legal/** (film-a/12/x.jpg) +not[-ext: tmp (jpg)]]",
      "+set good[+any[+stars: >=4 (5) +tags: hero (hero, night)]]",
      "+all[+attr.take: >=10 (12) +project: film-* (film-a)]",
      "-all[-attr.take: last (12) +any[-type: image/png (image/jpeg) +type: image/jpeg (image/jpeg)]]",
      "+{} (every file)[]",
      "+project: film-a (film-a)",
    ]);
  });

  it("S11 shows what is not known as null, which matches nothing", async () => {
    const { rules: all } = await about("film-b/last/y.jpg");
    expect(told(all[2]!.match)).toBe("-all[-attr.take: >=10 (null) +project: film-* (film-b)]");
    expect(all.at(-1)).toMatchObject({ name: "two", action: "require", matched: false, verdict: "no match" });
  });

  it("names what a file waits for", async () => {
    expect((await about("film-a/12/x.jpg")).blocked).toMatchObject([
      { rule: "heroes", code: "destination-offline", reason: expect.stringContaining("it waits for away") },
    ]);
  });

  it("S14 says that a file waits for a location that held it before it went away, as the plan does", async () => {
    const all = { ...config, rules: config.rules.map((rule) => ({ ...rule, destination: ["away"] })) };
    const { footer } = await plan(all, catalog, { now: NOW, version: "0" });
    expect(footer.blocked).toContainEqual(
      expect.objectContaining({ address: "away:", rule: "rest", code: "destination-offline" }),
    );
    expect((await about("film-b/7/z.jpg", "ssd", all)).blocked).toEqual([
      {
        ...{ address: "ssd:film-b/7/z.jpg", rule: "rest", code: "destination-offline" },
        reason: "it waits for away, where it was when that was last scanned: away is offline (status: offline)",
      },
    ]);
  });

  it("S8 says that a file waits for the default, unless it has a home", async () => {
    const fallback = { ...config, rules: [], default: { location: "away", line: 1 } };
    expect((await about("film-b/last/y.jpg", "ssd", fallback)).blocked).toMatchObject([
      { rule: "default", code: "destination-offline", reason: "it waits for away: away is offline (status: offline)" },
    ]);
    expect((await about("homed", "ssd", fallback)).blocked).toEqual([]);
  });

  it("names no location that holds the file and takes no more", async () => {
    const full = configOf(`version: 1
locations:
  - { name: ssd, type: local, path: /a }
  - { name: nas, type: local, path: /b, read_only: true }
rules: [ { name: all, match: {}, action: copy, destination: nas } ]`);
    expect((await about("homed", "ssd", full)).blocked).toEqual([]);
    expect((await about("film-b/7/z.jpg", "ssd", full)).blocked).toMatchObject([{ code: "destination-read-only" }]);
  });

  it("S1 explains a file of unknown content, which nothing is planned for", async () => {
    const explained = await about("legal/1/u");
    expect(explained).toMatchObject({ content: null, decision: "held", actions: [] });
    expect(explained.values["copies"]).toBeNull();
  });

  it("names the default where no rule decides, and nothing where there is none", async () => {
    expect(await about("film-b/7/z.jpg", "ssd", { ...config, rules: [] })).toMatchObject({ decision: "default" });
    const { default: _, ...none } = { ...config, rules: [], require: [] };
    expect(await about("film-b/7/z.jpg", "ssd", none)).toMatchObject({ decision: null, rules: [], actions: [] });
  });

  it.each([
    { location: "ssd", key: "nope", code: "NOT_FOUND", says: "the catalog has no file ssd:nope" },
    { location: "nowhere", key: "x", code: "NOT_FOUND", says: "there is no location nowhere" },
    { location: "away", key: "z", code: "LOCATION_UNUSABLE", says: "its status is offline", hint: "status: active" },
    { location: "lost", key: "x", code: "LOCATION_UNUSABLE", says: "its marker is missing", hint: "location check" },
  ])("$location:$key: $says", async ({ location, key, code, says, hint = "stowage" }) => {
    const told = { message: expect.stringContaining(says), hint: expect.stringContaining(hint) };
    await expect(about(key, location)).rejects.toMatchObject({ code, ...told });
  });
});
