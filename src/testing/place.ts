import assert from "node:assert/strict";
import { type ConformanceCase, put, refuses } from "./subject.js";

export const place: ConformanceCase[] = [
  {
    name: "S14: a location has no marker until one is written, and then exactly that one",
    async run({ backend }) {
      assert.equal(await backend.marker(), undefined);
      await backend.writeMarker("11111111-2222-4333-8444-555555555555");
      assert.equal(await backend.marker(), "11111111-2222-4333-8444-555555555555");
    },
  },
  {
    name: "S14: a marker is replaced only on request",
    async run({ backend }) {
      const [first, second] = ["11111111-2222-4333-8444-555555555555", "66666666-2222-4333-8444-555555555555"];
      await backend.writeMarker(first);
      await refuses("PRECONDITION", () => backend.writeMarker(second));
      assert.equal(await backend.marker(), first);
      await backend.writeMarker(second, { replace: true });
      assert.equal(await backend.marker(), second);
    },
  },
  {
    name: "the identity of a location stays the same",
    async run({ backend }) {
      const before = await backend.identity();
      await put(backend, "x", "1");
      assert.equal(await backend.identity(), before);
    },
  },
  {
    name: "the space of a location makes sense where it is known",
    async run({ backend }) {
      const space = await backend.space();
      if (space) assert.ok(space.total > 0 && space.free >= 0 && space.free <= space.total);
    },
  },
];
