import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { localBackend } from "../src/backend/local.js";
import { memoryBackend } from "../src/backend/memory.js";
import { conformanceCases, DEFECTS, describeBackend, faulty, runCase, type Subject } from "../src/testing/index.js";

async function local(hardLinks: boolean): Promise<Subject> {
  const root = mkdtempSync(join(tmpdir(), "stowage-contract-"));
  const away = `${root}-away`;
  return {
    backend: localBackend("there", root, { features: { hardLinks } }),
    overwrite: async (key, bytes) => writeFileSync(join(root, key), bytes),
    unplug: async () => renameSync(root, away),
    dispose: async () => {
      for (const path of [root, away]) rmSync(path, { recursive: true, force: true });
    },
  };
}

async function memory(): Promise<Subject> {
  const backend = memoryBackend("there");
  return {
    backend,
    overwrite: async (key, bytes) => void backend.put(key, bytes),
    unplug: async () => backend.unplug(),
  };
}

await describeBackend("a directory", () => local(true));
await describeBackend("a directory without hard links", () => local(false));
await describeBackend("memory", memory);

describe("the suite itself", () => {
  it.each(DEFECTS)("notices a backend that %s", async (defect) => {
    const open = async () => {
      const subject = await local(true);
      return { ...subject, backend: faulty(subject.backend, defect) };
    };
    let noticed: string | undefined;
    const quick = conformanceCases.filter(
      ({ name, timeout }) => !timeout && !/^keeps the name|^S15: refuses/.test(name),
    );
    for (const each of quick) {
      await runCase(each, open).catch(() => {
        noticed = each.name;
      });
      if (noticed) break;
    }
    expect(noticed).toBeDefined();
  });
});
