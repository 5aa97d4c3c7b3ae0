import type { Catalog } from "./catalog.js";
import { sql } from "./sql.js";

/**
 * Runs the statements of `body` with one thread. DuckDB shares out a table by 122,880 rows, and a thread of it that has nothing to do does not sleep while
 * another works: where there are few rows, or the processors have other work, more threads only cost.
 */
export async function alone<T>(catalog: Catalog, body: () => Promise<T>): Promise<T> {
  await catalog.run(sql`SET threads = 1`);
  const done = await body().catch(async (error: unknown) => {
    // Where the catalog can not be used any more, the first error says why.
    await catalog.run(sql`RESET threads`).catch(() => undefined);
    throw error;
  });
  await catalog.run(sql`RESET threads`);
  return done;
}
