import { expect, it } from "vitest";
import { type HashTask, openPool } from "../src/scan/pool.js";

it("a thread that ends keeps nobody waiting: what it had to do, and what waits for it, is refused", async () => {
  const pool = openPool(1);
  const broken = { kind: "hash", root: "/", files: undefined } as unknown as HashTask;
  const tasks = [broken, broken, { kind: "hash", root: "/", files: "" } as const].map((task) => pool.hash(task));
  const ends = await Promise.allSettled(tasks);
  expect(ends.map((end) => end.status === "rejected" && end.reason)).toMatchObject(
    tasks.map(() => ({ code: "INTERNAL", message: "a scanning thread ended" })),
  );
  await pool.close();
});
