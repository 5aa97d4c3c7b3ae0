import { getHeapStatistics } from "node:v8";
import { describe, expect, it } from "vitest";
import { requireHeap } from "../src/lib/heap.js";

describe("what does not fit into Node's memory", () => {
  it("is refused before Node ends the process, and says how to give it more", () => {
    const { heap_size_limit: limit } = getHeapStatistics();
    expect(() => requireHeap(limit, "3 files")).toThrow(
      expect.objectContaining({
        code: "OUT_OF_MEMORY",
        message: expect.stringMatching(/^3 files take more than the \d+ MiB of memory/),
        hint: expect.stringMatching(/NODE_OPTIONS=--max-old-space-size=\d+ /),
      }),
    );
  });

  it("and what may fit is not", () => {
    expect(() => requireHeap(1_000_000, "3 files")).not.toThrow();
  });
});
