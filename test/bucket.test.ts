import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Backend } from "../src/backend/backend.js";
import { timeOf, timeText } from "../src/backend/bucket/entry.js";
import { bucketBackend } from "../src/backend/bucket.js";
import { unavailable } from "../src/backend/requests.js";
import type { ObjectStore } from "../src/backend/store.js";
import { StowageError } from "../src/lib/error.js";
import { collect } from "../src/lib/iter.js";
import { type MemoryStore, type MemoryStoreOptions, memoryStore, straight } from "../src/testing/index.js";
import { agree, bytesOf, keysOf, leftoversOf, noise, put, RUN, sourceOf, textOf } from "../src/testing/subject.js";
import { TRUSTED } from "./support/buckets.js";

const OPTIONS = { allowUnconditionalDelete: false, verdicts: TRUSTED };

function open(options: MemoryStoreOptions = {}, change: (store: MemoryStore) => Partial<ObjectStore> = () => ({})) {
  const store = memoryStore(options);
  const backend = bucketBackend("there", "p/", { ...store, ...change(store) }, straight, OPTIONS);
  return { store, backend };
}

const remove = async (backend: Backend, key: string, more: { trash?: boolean; confirm?: () => Promise<void> } = {}) => {
  const version = (await backend.stat(key))?.version ?? "";
  await backend.remove(key, { version, run: RUN, trash: false, confirm: agree, ...more });
};
/** Keeps one object otherwise than it was sent. */
const spoiling = (real: MemoryStore): Partial<ObjectStore> => ({
  put: async (name, upload, condition) => {
    const stored = await real.put(name, upload, condition);
    return name === "p/x" ? real.overwrite(name, Buffer.alloc(upload.size), upload.metadata) : stored;
  },
});
const sha = (text: string) => createHash("sha256").update(text).digest("hex");
const lost = () => unavailable("the answer was lost");

describe("names", () => {
  it("S15: tells of keys that a folder can not hold, and leaves them alone", async () => {
    const { store, backend } = open();
    const odd = ["a/", "a//b", "./x", "a/../b", "nul\0", "/x", "lone\ud800"];
    for (const key of ["ok", ...odd]) store.overwrite(`p/${key}`, Buffer.from("1"));
    store.overwrite("p/", Buffer.from(""));
    store.overwrite("other/x", Buffer.from("1"));
    const skipped: string[] = [];
    const onSkip = (name: string) => void skipped.push(name);
    expect((await collect(backend.list({ onSkip }))).map(({ key }) => key)).toEqual(["ok"]);
    expect(skipped.sort()).toEqual([...odd, "p/"].sort());
  });

  it("keeps the metadata of others as attributes, and the hash in them as a claim only", async () => {
    const { store, backend } = open();
    store.overwrite("p/x", Buffer.from("1"), { "stowage-sha256": sha("2"), camera: "X100", mtime: "1700000000.5" });
    const { claim, sha256, attrs, mtime } = (await backend.stat("x")) ?? {};
    expect({ claim, sha256, attrs, mtime }).toEqual({
      claim: sha("2"),
      sha256: undefined,
      attrs: { camera: "X100" },
      mtime: 1_700_000_000_500_000_000n,
    });
  });

  it.each([
    { mtime: 1_700_000_000_123_456_789n, seconds: "1700000000.123456789", rfc3339: "2023-11-14T22:13:20.123456789Z" },
    { mtime: 1_600_000_000_000_000_000n, seconds: "1600000000", rfc3339: "2020-09-13T12:26:40.000000000Z" },
    { mtime: -1_500_000_000n, seconds: "-1.5", rfc3339: "1969-12-31T23:59:58.500000000Z" },
    { mtime: 0n, seconds: "0", rfc3339: "1970-01-01T00:00:00.000000000Z" },
    { mtime: 300_000_000_000_000_000_001n, seconds: "300000000000.000000001", rfc3339: "300000000000.000000001" },
  ])("writes $mtime as rclone does, and reads it again", ({ mtime, seconds, rfc3339 }) => {
    expect([timeText("seconds", mtime), timeText("rfc3339", mtime)]).toEqual([seconds, rfc3339]);
    expect([timeOf(seconds), timeOf(rfc3339)]).toEqual([mtime, mtime]);
  });

  it("reads times with a zone and with fewer digits, and takes nonsense for none", () => {
    expect(timeOf("2023-11-14T23:13:20.5+01:00")).toBe(1_700_000_000_500_000_000n);
    expect([timeOf("yesterday"), timeOf(""), timeOf("2023-99-99T00:00:00Z"), timeOf(undefined)]).toEqual(
      Array(4).fill(undefined),
    );
  });
});

describe("writing", () => {
  it.each([100, 9 << 20])("I6: settles a lost answer to an upload of %d bytes by looking", async (size) => {
    const { store, backend } = open({}, (real) => ({
      put: async (...args) => {
        const stored = await real.put(...args);
        if (stored.name === "p/x") throw lost();
        return stored;
      },
    }));
    const bytes = noise(size);
    const entry = await backend.write("x", sourceOf(bytes));
    expect(entry.size).toBe(size);
    expect(store.objects.get("p/x")?.bytes.equals(bytes)).toBe(true);
  });

  it("I6: knows its own object when a second attempt is told that the name is taken", async () => {
    const { backend } = open({}, (real) => ({
      put: async (...args) => {
        await real.put(...args);
        return await real.put(...args);
      },
    }));
    expect((await put(backend, "x", "1")).size).toBe(1);
    await expect(put(backend, "x", "1")).rejects.toMatchObject({ code: "PRECONDITION" });
  });

  it("I6: knows its own object when a second attempt is told that the upload is not known any more", async () => {
    const { backend } = open({}, (real) => ({
      put: async (...args) => {
        await real.put(...args);
        throw new StowageError("NOT_FOUND", "there is no such upload");
      },
    }));
    expect((await put(backend, "x", "1")).size).toBe(1);
  });

  it("I6: does not take another's object for its own, not even with the same bytes", async () => {
    const { store, backend } = open({}, (real) => ({
      put: async (name) => {
        real.overwrite(name, Buffer.from("1"), { "stowage-sha256": sha("1") });
        throw lost();
      },
    }));
    await expect(put(backend, "x", "1")).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(store.objects.get("p/x")?.bytes.toString()).toBe("1");
  });

  it("I4: takes back what the store did not store as it was sent", async () => {
    const { store, backend } = open({ hashes: true }, spoiling);
    await expect(put(backend, "x", "12345")).rejects.toMatchObject({ code: "READ_BACK" });
    expect([...store.objects.keys()]).toEqual([]);
  });

  it("I2: leaves what it could only take back at the risk of another's object, and says so", async () => {
    const { store, backend } = open({ hashes: true, defects: ["ignores the condition of a removal"] }, spoiling);
    await expect(put(backend, "x", "12345")).rejects.toMatchObject({
      code: "READ_BACK",
      message: expect.stringMatching(/there:x could not be removed again$/),
    });
    expect([...store.objects.keys()]).toEqual(["p/x"]);
    expect(store.log).not.toContain("remove p/x");
  });

  it.each([
    { seen: "of which nothing is known", verdicts: {} },
    { seen: "that takes any checksum", verdicts: { verdicts: { ...TRUSTED, checksums: false } } },
  ])("S1: takes no hash of a store $seen for proven, but one that does not fit for wrong", async ({ verdicts }) => {
    const store = memoryStore({ hashes: true, listsMetadata: true });
    const backend = bucketBackend("there", "", store, straight, { allowUnconditionalDelete: true, ...verdicts });
    const told = [await put(backend, "x", "1"), await backend.stat("x"), ...(await collect(backend.list()))];
    expect(told.map((entry) => entry?.sha256)).toEqual([undefined, undefined, undefined]);
    const from = { name: "x", bucket: store.address, token: told[0]?.version ?? "" };
    const copy = await backend.write("y", { ...sourceOf("1"), object: from });
    expect([copy.sha256, copy.readBack]).toEqual([undefined, verdicts.verdicts && true]);
    const failing = memoryStore({ defects: ["stores other bytes"], hashes: true });
    const broken = bucketBackend("there", "", failing, straight, { allowUnconditionalDelete: true, ...verdicts });
    await expect(put(broken, "x", "12345")).rejects.toMatchObject({ code: "READ_BACK" });
  });

  it("I5: believes nothing that was found out about another store under the same name", async () => {
    const honest = bucketBackend("there", "p/", memoryStore(), straight, { allowUnconditionalDelete: false });
    const { store: verdicts, probed } = (await honest.probe?.()) ?? {};
    const store = memoryStore({ defects: ["ignores create-only"] });
    const known = { allowUnconditionalDelete: false, verdicts, probed };
    const moved = bucketBackend("there", "p/", store, straight, known);
    expect(verdicts?.createOnly).toBe(true);
    expect(moved.features.store).toBeUndefined();
    store.overwrite("p/x", Buffer.from("another's"));
    await expect(put(moved, "x", "mine")).rejects.toMatchObject({ code: "PRECONDITION" });
    expect(store.objects.get("p/x")?.bytes.toString()).toBe("another's");
  });

  it("I3: looks before it writes where the store ignores create-only", async () => {
    const store = memoryStore({ defects: ["ignores create-only"] });
    const backend = bucketBackend("there", "", store, straight, { allowUnconditionalDelete: false });
    await put(backend, "x", "first");
    await expect(put(backend, "x", "second")).rejects.toMatchObject({ code: "PRECONDITION" });
    expect(await textOf(backend, "x")).toBe("first");
  });

  it("asks a source only once when it fails, whatever the store makes of it", async () => {
    let asked = 0;
    const { backend } = open({}, (real) => ({
      put: async (name, upload, condition) => {
        const again = () => real.put(name, upload, condition);
        return await again().catch(again).catch(again);
      },
    }));
    const source = sourceOf(noise(9 << 20), {
      async *bytes() {
        asked += 1;
        yield noise(1 << 20);
        throw lost();
      },
    });
    await expect(backend.write("x", source)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(asked).toBe(1);
  });

  it("I4: a server-side copy that holds other bytes is taken back", async () => {
    const { store, backend } = open({ defects: ["copies other bytes"] });
    const { version } = await put(backend, "from", "12345");
    const object = backend.objectOf?.("from", version);
    await expect(backend.write("to", sourceOf("12345", { ...(object && { object }) }))).rejects.toMatchObject({
      code: "CORRUPT",
    });
    expect([...store.objects.keys()]).toEqual(["p/from"]);
  });

  it("sends the bytes where the store refuses to copy, and lets it copy where it does not", async () => {
    for (const defects of [["refuses copies"], []] as const) {
      const { store, backend } = open({ defects });
      const { version } = await put(backend, "from", "12345");
      const object = backend.objectOf?.("from", version);
      await backend.write("to", sourceOf("12345", { ...(object && { object }) }));
      expect(store.log.filter((line) => line === "put p/to")).toHaveLength(defects.length);
      expect(await textOf(backend, "to")).toBe("12345");
    }
  });

  it("notes an upload in parts before its first part, so that one that was cut short can be ended", async () => {
    const { store, backend } = open({ partsAbove: 0 }, (real) => ({
      put: async (name, upload, condition) => {
        if (name !== "p/x") return await real.put(name, upload, condition);
        await upload.onParts?.("upload-1");
        real.uploads.set("upload-1", name);
        // The process is killed here: nothing below happens.
        return await new Promise(() => undefined);
      },
    }));
    void backend.write("x", sourceOf(noise(9 << 20), { run: RUN }));
    while (store.uploads.size === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const left = await leftoversOf(backend);
    expect(left).toMatchObject([{ kind: "temporary", run: RUN }]);
    expect(left[0]?.dead).toBeUndefined();
    for (const leftover of left) await backend.purge(leftover);
    expect([store.uploads.size, store.objects.size]).toEqual([0, 0]);
  });

  it("S10: tells of the leftovers of one run after the other, the oldest run first, and holds none", async () => {
    const { store, backend } = open({ page: 2 });
    const runs = ["20260301T000000Z-b", "20260201T000000Z-c", "20260201T000000Z-cd", "20260401T000000Z-a"];
    for (const run of runs) {
      for (const n of [1, 2, 3]) store.overwrite(`p/.stowage-trash/${run}/${n}/x`, Buffer.from("1"));
      store.overwrite(`p/.stowage-tmp/${run}/y`, Buffer.from("1"));
    }
    const listed: string[] = [];
    for await (const { run, kind } of backend.leftovers()) {
      if (listed.length === 0) for (const n of [1, 2, 3]) store.objects.delete(`p/.stowage-trash/${runs[3]}/${n}/x`);
      listed.push(`${run} ${kind}`);
    }
    const all = ["trash", "trash", "trash", "temporary"];
    const expected = runs
      .slice(0, 3)
      .sort()
      .flatMap((run) => all.map((kind) => `${run} ${kind}`));
    expect(listed).toEqual([...expected, `${runs[3]} temporary`]);
  });

  it("needs one request for a small object where the store is known", async () => {
    const { store, backend } = open();
    await put(backend, "x", "1");
    expect(store.log).toEqual(["put p/x"]);
  });
});

describe("reading", () => {
  it("resumes a broken stream where it broke, under the same token", async () => {
    const { store, backend } = open({ defects: ["breaks streams"] });
    const bytes = noise(300_000);
    const { version } = await backend.write("x", sourceOf(bytes));
    expect(bytes.equals(await bytesOf(backend, "x", version))).toBe(true);
    expect(store.log.filter((line) => line.startsWith("read"))).toEqual(
      [0, 1, 2, 3, 4].map((piece) => `read p/x ${piece * 65_536}`),
    );
  });

  it("I5: a stream that ends early is not the end", async () => {
    const { backend } = open({ defects: ["ends streams early"] });
    const bytes = noise(300_000);
    const { version } = await backend.write("x", sourceOf(bytes));
    expect(bytes.equals(await bytesOf(backend, "x", version))).toBe(true);
  });

  it("S16: does not go on with another version after a break", async () => {
    const { store, backend } = open({ defects: ["breaks streams"] });
    await put(backend, "x", noise(300_000));
    const reading = async () => {
      for await (const _ of backend.read("x")) store.overwrite("p/x", noise(300_000));
    };
    await expect(reading()).rejects.toMatchObject({ code: "PRECONDITION" });
  });

  it("gives up on a stream that gives nothing", async () => {
    const { backend } = open({}, () => ({
      // biome-ignore lint/correctness/useYield: that is the point.
      async *read() {
        throw lost();
      },
    }));
    await put(backend, "x", "1");
    await expect(textOf(backend, "x")).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  it("S16: looks before and after where the store ignores the condition of a read", async () => {
    const store = memoryStore({ defects: ["ignores the condition of a read"], versioned: true });
    const backend = bucketBackend("there", "", store, straight, { allowUnconditionalDelete: false });
    const { version } = await put(backend, "x", noise(200_000));
    let pieces = 0;
    const reading = async () => {
      for await (const _ of backend.read("x", { version })) {
        if (pieces++ === 0) store.overwrite("x", noise(200_000));
      }
    };
    await expect(reading()).rejects.toMatchObject({ code: "PRECONDITION" });
    await expect(bytesOf(backend, "x", version)).rejects.toMatchObject({ code: "PRECONDITION" });
  });
});

describe("removing", () => {
  it("I6: takes a removal whose answer was lost as done", async () => {
    const { store, backend } = open({}, (real) => ({
      remove: async (name, token) => {
        await real.remove(name, token);
        if (name === "p/x") throw lost();
      },
    }));
    await put(backend, "x", "1");
    await remove(backend, "x", { trash: true });
    expect(await keysOf(backend)).toEqual([]);
    expect((await leftoversOf(backend)).map(({ key }) => key)).toEqual(["x"]);
    expect(store.objects.size).toBe(1);
  });

  it.each([
    { what: "was refused leaves the object, and no trash", code: "ACCESS_DENIED", trash: [] },
    {
      what: "was not answered leaves the object, and its copy, for it may still be done",
      code: "UNAVAILABLE",
      trash: ["x"],
    },
  ])("I6: a removal that $what", async ({ code, trash }) => {
    const { backend } = open({}, (real) => ({
      remove: async (name, token) => {
        if (name === "p/x") throw new StowageError(code, "it was not done");
        await real.remove(name, token);
      },
    }));
    await put(backend, "x", "1");
    await expect(remove(backend, "x", { trash: true })).rejects.toMatchObject({ code });
    expect(await keysOf(backend)).toEqual(["x"]);
    expect((await leftoversOf(backend)).map(({ key }) => key)).toEqual(trash);
  });

  it("I2: does not remove what was replaced while the last word was given, and keeps both", async () => {
    const { store, backend } = open();
    await put(backend, "x", "old");
    const confirm = async () => void store.overwrite("p/x", Buffer.from("new"));
    await expect(remove(backend, "x", { trash: true, confirm })).rejects.toMatchObject({ code: "PRECONDITION" });
    expect(await textOf(backend, "x")).toBe("new");
    expect((await leftoversOf(backend)).map(({ size }) => size)).toEqual([3]);
  });

  it.each<MemoryStoreOptions>([
    {},
    { hashes: true },
    { copies: false },
    { defects: ["refuses copies"] },
  ])("I1: the copy in the trash is proven before the object goes: %o", async (options) => {
    const { store, backend } = open(options);
    const bytes = noise(100_000);
    await backend.write("x", sourceOf(bytes));
    await remove(backend, "x", { trash: true });
    const [trashed] = [...store.objects].filter(([name]) => name.startsWith("p/.stowage-trash/"));
    expect(trashed?.[1].bytes.equals(bytes)).toBe(true);
    expect(trashed?.[1].metadata["mtime"]).toBe("1700000000.123456789");
  });

  it.each<MemoryStoreOptions>([
    { defects: ["copies other bytes"] },
    { defects: ["copies other bytes"], hashes: true },
  ])("I1: without a proven copy in the trash the object stays: %o", async (options) => {
    const { backend } = open(options);
    await put(backend, "x", "12345");
    await expect(remove(backend, "x", { trash: true })).rejects.toMatchObject({ code: "READ_BACK" });
    expect(await textOf(backend, "x")).toBe("12345");
    expect(await leftoversOf(backend)).toEqual([]);
  });

  it.each([
    {},
    { copies: false },
  ])("a wrong hash in the metadata does not keep an object from the trash: %o", async (options) => {
    const { store, backend } = open(options);
    store.overwrite("p/x", Buffer.from("12345"), { "stowage-sha256": sha("other"), camera: "X100", name: "é" });
    await remove(backend, "x", { trash: true });
    const [trashed] = [...store.objects.values()];
    expect(trashed?.bytes.toString()).toBe("12345");
    expect(trashed?.metadata).toMatchObject({ camera: "X100" });
  });

  it("S10: a record of another location's upload ends nothing", async () => {
    const { store, backend } = open();
    store.uploads.set("u", "elsewhere/x");
    const record = { name: "elsewhere/x", id: "u", upload: "n", size: 1 };
    store.overwrite("p/.stowage-tmp/run/n.upload", Buffer.from(JSON.stringify(record)));
    for (const leftover of await leftoversOf(backend)) {
      await expect(backend.purge(leftover)).rejects.toMatchObject({ code: "INVARIANT" });
    }
    expect(store.uploads.size).toBe(1);
  });
});
