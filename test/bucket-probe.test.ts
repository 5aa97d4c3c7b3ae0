import { describe, expect, it } from "vitest";
import type { StoreFeatures } from "../src/backend/backend.js";
import { bucketBackend } from "../src/backend/bucket.js";
import { StowageError } from "../src/lib/error.js";
import { type MemoryStoreOptions, memoryStore, type StoreDefect, straight } from "../src/testing/index.js";
import { agree, put, RUN, textOf } from "../src/testing/subject.js";

const GOOD: StoreFeatures = {
  createOnly: true,
  createOnlyParts: true,
  oneWinner: true,
  conditionalReplace: true,
  conditionalRemove: true,
  conditionalRead: true,
  listAfterWrite: true,
  conditionalCopy: true,
  checksums: true,
  versioned: false,
};

function open(options: MemoryStoreOptions = {}, allowUnconditionalDelete = false) {
  const store = memoryStore(options);
  return { store, backend: bucketBackend("there", "p/", store, straight, { allowUnconditionalDelete }) };
}

const removed = async (backend: ReturnType<typeof open>["backend"]) => {
  const { version } = await put(backend, "x", "1");
  await backend.remove("x", { version, run: RUN, trash: false, confirm: agree });
};

describe("probing", () => {
  it("finds that an honest store honours everything, and leaves nothing behind", async () => {
    const { store, backend } = open();
    expect((await backend.probe?.())?.store).toEqual(GOOD);
    expect(backend.features.store).toEqual(GOOD);
    expect([...store.objects.keys(), ...store.uploads.keys()]).toEqual([]);
  });

  it("says of a versioned store that it is one, and of one without copies that it does not copy", async () => {
    const { backend } = open({ versioned: true, copies: false });
    expect((await backend.probe?.())?.store).toEqual({ ...GOOD, versioned: true, conditionalCopy: false });
  });

  const WRONG: { defect: StoreDefect; verdicts: Partial<StoreFeatures>; removes: boolean }[] = [
    { defect: "ignores create-only", verdicts: { createOnly: false, oneWinner: false }, removes: false },
    { defect: "ignores create-only of parts", verdicts: { createOnlyParts: false }, removes: true },
    { defect: "ignores the condition of a replacement", verdicts: { conditionalReplace: false }, removes: true },
    { defect: "ignores the condition of a removal", verdicts: { conditionalRemove: false }, removes: false },
    { defect: "ignores the condition of a read", verdicts: { conditionalRead: false }, removes: true },
    { defect: "ignores the token of a copy", verdicts: { conditionalCopy: false }, removes: true },
    { defect: "ignores that the name of a copy is taken", verdicts: { conditionalCopy: false }, removes: true },
    { defect: "copies other bytes", verdicts: { conditionalCopy: false }, removes: true },
    { defect: "refuses copies", verdicts: { conditionalCopy: false }, removes: true },
    { defect: "does not check checksums", verdicts: { checksums: false }, removes: true },
    { defect: "lists late", verdicts: { listAfterWrite: false }, removes: false },
    { defect: "lists what is gone", verdicts: { listAfterWrite: false }, removes: false },
    { defect: "two winners", verdicts: { oneWinner: false }, removes: true },
  ];
  it.each(WRONG)("I5: notices a store that $defect, and leaves nothing behind", async ({
    defect,
    verdicts,
    removes,
  }) => {
    const { store, backend } = open({ defects: [defect] });
    expect((await backend.probe?.())?.store).toEqual({ ...GOOD, ...verdicts });
    expect([...store.objects.keys()]).toEqual([]);
    if (removes) await removed(backend);
    else await expect(removed(backend)).rejects.toMatchObject({ code: "APPEND_ONLY" });
    expect(store.objects.has("p/x")).toBe(!removes);
  });

  it.each(
    WRONG.filter(({ removes }) => !removes),
  )("I2: removes nothing from a store that $defect, whatever an earlier probe has seen", async ({ defect }) => {
    const store = memoryStore({ defects: [defect] });
    const backend = bucketBackend("there", "", store, straight, { allowUnconditionalDelete: false, verdicts: GOOD });
    await expect(removed(backend)).rejects.toMatchObject({ code: "APPEND_ONLY" });
    expect([...store.objects.keys()]).toEqual(["x"]);
  });

  it("removes with the owner's word where the store honours nothing, but only the version it was given", async () => {
    const { store, backend } = open({ defects: ["ignores the condition of a removal"] }, true);
    await removed(backend);
    const { version } = await put(backend, "x", "old");
    const confirm = async () => void store.overwrite("p/x", Buffer.from("new"));
    const removing = backend.remove("x", { version, run: RUN, trash: true, confirm });
    await expect(removing).rejects.toMatchObject({ code: "PRECONDITION" });
    expect(await textOf(backend, "x")).toBe("new");
  });

  it("tries a store once per process before it removes", async () => {
    const { store, backend } = open();
    for (let round = 0; round < 3; round++) await removed(backend);
    expect(new Set(store.log.filter((line) => line.startsWith("put p/.stowage-tmp/probe-"))).size).toBe(1);
  });

  it("passes on why nothing is known, with the permissions that it takes, and is tried again later", async () => {
    const store = memoryStore();
    let denied = true;
    const guarded = {
      ...store,
      discard: async (name: string) => {
        if (denied) throw new StowageError("ACCESS_DENIED", "AccessDenied");
        await store.discard(name);
      },
    };
    const backend = bucketBackend("there", "p/", guarded, straight, { allowUnconditionalDelete: true });
    await expect(backend.probe?.()).rejects.toMatchObject({
      code: "ACCESS_DENIED",
      message: "there: trying out the store stopped at creating, listing and removing an object: AccessDenied",
      hint: expect.stringContaining("p/.stowage-tmp/"),
    });
    await expect(removed(backend)).rejects.toMatchObject({ code: "ACCESS_DENIED" });
    denied = false;
    await put(backend, "y", "1");
    expect((await backend.probe?.())?.store).toEqual(GOOD);
  });

  it("clears what a killed probe has left, and nothing else", async () => {
    const { store, backend } = open();
    store.overwrite("p/.stowage-tmp/probe-killed/object", Buffer.from("x"));
    store.overwrite("p/.stowage-tmp/probe-running/object", Buffer.from("x"));
    store.overwrite("p/.stowage-tmp/a-run/x.upload", Buffer.from("x"));
    const killed = store.objects.get("p/.stowage-tmp/probe-killed/object");
    if (killed) killed.modified -= 2 * 3600_000;
    await backend.probe?.();
    expect([...store.objects.keys()]).toEqual(["p/.stowage-tmp/probe-running/object", "p/.stowage-tmp/a-run/x.upload"]);
  });
});
