import { describe, expect, it } from "vitest";
import { countCopies } from "../src/plan/copies.js";
import type { Site } from "../src/plan/site.js";

const SITES = new Map(["A", "B", "C"].map((name, order) => [name, { name, order } as Site]));

/** `A` a file of its own, `A=1` a hard link to what others with the same number are, `(A)` not counted. */
const places = (text: string) =>
  text.split(" ").map((word) => {
    const [, name = "", link] = /^\(?(\w)(?:=(\d))?\)?$/.exec(word) ?? [];
    return { site: SITES.get(name)!, physical: link ?? null, counted: !word.startsWith("(") };
  });

describe("S6 copies are counted in distinct locations, and hard links once", () => {
  it.each([
    ["A B", 2],
    ["A A", 1],
    ["A (B)", 1],
    ["A=1 B=1", 1],
    ["A=1 B=2", 2],
    ["A=1 A=2", 1],
    ["A=1 A B=1", 2],
    ["A=1 A=2 B=1 B=3 C=1", 3],
    ["A=1 B=1 (C=2)", 1],
    ["A=1 B=1 C", 2],
  ])("%s: %i", (text, copies) => {
    expect(countCopies(places(text))).toBe(copies);
  });
});
