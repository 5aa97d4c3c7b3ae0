import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";

vi.mock("../src/catalog/decoder.js", () => ({ loadDuckDB: () => Promise.reject(new Error("Cannot find module")) }));

it("a catalog stays as it is when DuckDB itself can not be loaded", async () => {
  const folder = mkdtempSync(join(tmpdir(), "stowage-catalog-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "catalog.duckdb");
  writeFileSync(file, "what was seen");
  const { openCatalog } = await import("../src/catalog/catalog.js");
  await expect(openCatalog(file)).rejects.toThrow("Cannot find module");
  expect(readFileSync(file, "utf8")).toBe("what was seen");
});
