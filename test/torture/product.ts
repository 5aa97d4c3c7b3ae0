import { pathToFileURL } from "node:url";
import type { apply } from "../../src/apply/apply.js";
import type { gc } from "../../src/apply/gc.js";
import type { bucketBackend } from "../../src/backend/bucket.js";
import type { localBackend } from "../../src/backend/local.js";
import type { memoryStore } from "../../src/testing/memory-store.js";

/** The product's code as it runs in the model: sound, or with one planted defect. */
export interface Product {
  apply: typeof apply;
  gc: typeof gc;
  localBackend: typeof localBackend;
  bucketBackend: typeof bucketBackend;
  memoryStore: typeof memoryStore;
}

export async function loadProduct(directory: string): Promise<Product> {
  const load = async (file: string) => (await import(pathToFileURL(`${directory}/${file}`).href)) as Partial<Product>;
  const files = ["apply/apply.js", "apply/gc.js", "backend/local.js", "backend/bucket.js", "testing/memory-store.js"];
  return Object.assign({}, ...(await Promise.all(files.map(load)))) as Product;
}
