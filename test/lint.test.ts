import { describe, expect, it } from "vitest";
import { compileMatch } from "../src/config/match.js";
import { collect } from "../src/lib/iter.js";
import { find } from "../src/plan/find.js";
import { lint } from "../src/plan/lint.js";
import { inWorld, LOCATIONS } from "./support/plan-cases.js";
import { configOf, NOW } from "./support/world.js";

const RULES = `rules:
  - { name: videos, match: { media_type: video }, action: copy, destination: nas }
  - { name: big-videos, match: { all: [ { media_type: video }, { size: ">1GB" } ] }, action: move, destination: archive }
  - { name: extra, match: { ext: jpg }, action: copy, destination: nas, continue: true }
  - { name: jpg, match: { ext: jpg, size: ">0" }, action: copy, destination: nas }
  - { name: cats, match: { name: "cat*" }, action: copy, destination: archive }
  - { name: never, match: { ext: xyz }, action: copy, destination: archive }
`;
const yaml = `${LOCATIONS}${RULES}`;
const said = (found: Awaited<ReturnType<typeof lint>>) => found.map(({ code, message }) => `${code}: ${message}`);
const SHADOWED = "SHADOWED_RULE: rule big-videos never decides: videos (line 9) matches everything it matches";

describe("lint", () => {
  it("finds a rule that has every condition of an earlier one, before anything is scanned", async () => {
    expect(said(await lint(configOf(yaml), undefined, { now: NOW }))).toEqual([SHADOWED]);
  });

  it("says nothing of matches where the catalog is empty", async () => {
    const found = await inWorld({ yaml, files: [] }, (config, catalog) => lint(config, catalog, { now: NOW }));
    expect(said(found)).toEqual([SHADOWED]);
  });

  it("with a catalog finds rules that match nothing, and rules that earlier rules leave nothing to, in the order of the file", async () => {
    const files = [
      "primary:cat.jpg A",
      "primary:b.jpg B",
      { location: "primary", key: "c.mp4", content: "C", type: "video" },
    ];
    const found = await inWorld({ yaml, files }, (config, catalog) => lint(config, catalog, { now: NOW }));
    expect(said(found)).toEqual([
      SHADOWED,
      "OVERLAPPED_RULE: rule cats matches 1 files, and earlier rules decide all of them",
      "DEAD_RULE: rule never matches none of 3 files",
    ]);
    expect(found.every(({ severity, hint }) => severity === "warning" && hint !== undefined)).toBe(true);
  });
});

describe("find", () => {
  it("shows what a rule with this match would see: present files of locations that can be relied on, in order", async () => {
    const files = [
      "primary:b.jpg A",
      "nas:a.jpg A",
      "old:c.jpg A",
      { location: "primary", key: "gone.jpg", content: "A", state: "rot" },
    ];
    const facts = { old: { suspect: "its marker is missing" } };
    const found = await inWorld({ files, facts }, (config, catalog) =>
      collect(find(config, catalog, compileMatch({ ext: "jpg", type: "image/*", copies: 2 }), { now: NOW })),
    );
    expect(found.map(({ location, key }) => `${location}:${key}`)).toEqual(["nas:a.jpg", "primary:b.jpg"]);
    expect(found[0]).toMatchObject({ size: 1000, media_type: "image", mime: "image/jpeg", copies: 2 });
  });
});
