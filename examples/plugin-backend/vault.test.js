// @ts-check
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openRequests, pluginTools } from "stowage";
import { describeBackend, sourceOf } from "stowage/testing";
import { describe, expect, it } from "vitest";
import { keysOf } from "./sealed.js";
import { openVault, vaultStore } from "./vault.js";

// A storage that is gone is told at once here, and not tried again.
const tools = pluginTools("vault", { requests: openRequests("vault", { retries: 0, concurrency: 16 }) });
const KEY = "correct horse battery staple";

async function openFresh() {
  const base = await mkdtemp(join(tmpdir(), "vault-"));
  /** @param {string} key */
  const open = async (key) => await openVault({ name: "vault", options: { folder: ".", key }, base }, tools);
  return { base, open, backend: await open(KEY) };
}

await describeBackend("a vault", async () => {
  const { base, backend } = await openFresh();
  return {
    backend,
    overwrite: async (key, bytes) => {
      const store = vaultStore(base, keysOf(KEY), tools);
      const { size, sha256 } = sourceOf(bytes);
      await store.discard(key);
      await store.put(key, { size, sha256, metadata: {}, bytes: sourceOf(bytes).bytes }, { absent: true });
    },
    unplug: async () => await rename(base, `${base}-away`),
    dispose: async () => {
      for (const folder of [base, `${base}-away`]) await rm(folder, { recursive: true, force: true });
    },
  };
});

describe("a vault", () => {
  it("shows neither names nor bytes", async () => {
    const { base, backend } = await openFresh();
    await backend.write("letters/to-alice.txt", sourceOf("dear alice"));
    for (const file of await readdir(join(base, "sealed"))) {
      expect(file).toMatch(/^[0-9a-f]{64}$/);
      const text = (await readFile(join(base, "sealed", file))).toString("latin1");
      expect(text).not.toMatch(/alice|letters|stowage/);
    }
    await rm(base, { recursive: true });
  });

  it("opens with its own key only, and says so", async () => {
    const { base, backend, open } = await openFresh();
    await backend.write("a.txt", sourceOf("a"));
    const other = await open("another key");
    await expect(async () => {
      for await (const _ of other.list());
    }).rejects.toMatchObject({ code: "ACCESS_DENIED" });
    await rm(base, { recursive: true });
  });

  it("notices a file that was tampered with", async () => {
    const { base, backend } = await openFresh();
    await backend.write("a.txt", sourceOf("some bytes that matter"));
    const [file = ""] = await readdir(join(base, "sealed"));
    const bytes = await readFile(join(base, "sealed", file));
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 20) ^ 1, bytes.length - 20);
    await writeFile(join(base, "sealed", file), bytes);
    await expect(async () => {
      for await (const _ of backend.read("a.txt"));
    }).rejects.toThrow();
    await rm(base, { recursive: true });
  });

  it("says which options it needs", async () => {
    await expect(
      (async () => await openVault({ name: "vault", options: {}, base: "." }, tools))(),
    ).rejects.toMatchObject({ code: "PLUGIN_OPTIONS" });
  });
});
