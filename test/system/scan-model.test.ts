import { mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { sized } from "../support/figures.js";
import { CLOCK, DAY, openPlaces, type Places } from "../support/places.js";

// Whatever happened between two scans: the second one leaves the catalog as a first scan of the same tree would.

type Change =
  | { kind: "write"; key: string; bytes: string; age: number }
  | { kind: "remove"; key: string }
  | { kind: "rename"; key: string; to: string }
  | { kind: "scan"; hash: "auto" | "all" | "none" };

const names = ["a", "b.txt", "\u00e9", "e\u0301", "x y", "A"];
const key = fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("write" as const),
      key,
      bytes: fc.constantFrom("", "1", "22", "333"),
      age: fc.constantFrom(1, 30, 300),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove" as const), key }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("rename" as const), key, to: key }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("scan" as const),
      hash: fc.constantFrom("auto" as const, "auto" as const, "all" as const, "none" as const),
    }),
  },
);

/** Does what can be done; a change that the tree does not allow (a file in a directory's place) is no change. */
async function make(places: Places, each: Change, now: number): Promise<void> {
  const at = (name: string) => join(places.root("a"), name);
  if (each.kind === "scan") {
    await places.scan({ now, hash: each.hash });
    return;
  }
  try {
    if (each.kind === "write") places.put(`a:${each.key}`, each.bytes, CLOCK - each.age * DAY);
    else if (each.kind === "remove") places.remove(`a:${each.key}`);
    else {
      mkdirSync(dirname(at(each.to)), { recursive: true });
      renameSync(at(each.key), at(each.to));
    }
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
  }
}

const COLUMNS = "norm_key, sha256, size, epoch_ns(mtime)::VARCHAR AS mtime, version, state, media_type, mime";

it("an incremental scan ends where a scan from nothing ends (S13)", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 4, maxLength: 25 }), async (changes) => {
      const places = await openPlaces({ a: {} }, { maxShrink: 1 });
      try {
        let now = CLOCK;
        const tick = () => {
          now += DAY;
          return now;
        };
        for (const each of changes) await make(places, each, tick());
        await places.scan({ now: tick() });
        await places.scan({ now: tick() });
        const incremental = (await places.rows(COLUMNS)).filter(({ state }) => state !== "missing");
        await places.forget();
        await places.scan({ now });
        expect(incremental).toEqual(await places.rows(COLUMNS));
      } finally {
        await places.close();
      }
    }),
    { numRuns: sized(12, 400) },
  );
});
