import type { Catalog } from "./catalog.js";
import { sql } from "./sql.js";

/**
 * Runs the statements of `body` with one thread. DuckDB shares out a table by 122,880 rows, and a thread of it that has nothing to do does not sleep while
 * another works: where there are few rows, or the processors have other work, more threads only cost.
 */
export async function alone<T>(catalog: Catalog, body: () => Promise<T>): Promise<T> {
  await catalog.run(sql`SET threads = 1`);
  try {
    return await body();
  } finally {
    await catalog.run(sql`RESET threads`);
  }
}
