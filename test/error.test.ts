import { expect, it } from "vitest";
import { StowageError } from "../src/lib/error.js";

it("an error of another copy of stowage in the process is one all the same, and no other is", async () => {
  const other = (await import("../dist/lib/error.js" as string)) as { StowageError: typeof StowageError };
  expect(other.StowageError).not.toBe(StowageError);
  expect(new other.StowageError("CODE", "what") instanceof StowageError).toBe(true);
  expect(Object.assign(new Error("what"), { code: "CODE", exit: 1 }) instanceof StowageError).toBe(false);
  expect((undefined as unknown) instanceof StowageError).toBe(false);
});
