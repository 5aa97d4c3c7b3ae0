import { describe, expect, it } from "vitest";
import { bucketBackend } from "../src/backend/bucket.js";
import {
  conformanceCases,
  DEFECTS,
  describeBackend,
  faulty,
  type MemoryStoreOptions,
  memoryStore,
  runCase,
  type StoreDefect,
  type Subject,
  straight,
} from "../src/testing/index.js";

async function bucket(options: MemoryStoreOptions, prefix = "a prefix/"): Promise<Subject> {
  const store = memoryStore({ partsAbove: 9 << 20, ...options });
  return {
    backend: bucketBackend("there", prefix, store, straight, { allowUnconditionalDelete: false }),
    overwrite: async (key, bytes) => void store.overwrite(prefix + key, bytes),
    unplug: async () => store.unplug(),
    large: 10 << 20,
  };
}

await describeBackend("a bucket", () => bucket({}));
await describeBackend("a versioned bucket", () => bucket({ versioned: true, listsMetadata: true, hashes: true }, ""));
await describeBackend("a bucket that copies nothing", () => bucket({ copies: false }));
await describeBackend("a bucket that ignores the conditions of copies", () =>
  bucket({ defects: ["ignores the token of a copy", "ignores that the name of a copy is taken"] }),
);
await describeBackend("a bucket whose connections break after each piece", () =>
  bucket({ defects: ["breaks streams"] }),
);
await describeBackend("a bucket that ignores the condition of a removal", async () => ({
  ...(await bucket({ defects: ["ignores the condition of a removal"] })),
  removes: false,
}));

/** Without those that take long and notice nothing that others do not. */
const quick = conformanceCases.filter(
  ({ name, needs, timeout }) => !timeout && needs !== "large" && !/^keeps the name|^keeps \d|^S15: refuses/.test(name),
);

/** The first case that fails, if any. */
async function noticed(open: () => Promise<Subject>): Promise<string | undefined> {
  for (const each of quick) {
    const failed = await runCase(each, open).then(
      () => false,
      () => true,
    );
    if (failed) return each.name;
  }
  return undefined;
}

describe("the suite itself, on a bucket", () => {
  it.each(DEFECTS)("notices a backend that %s", async (defect) => {
    const open = async () => {
      const subject = await bucket({});
      return { ...subject, backend: faulty(subject.backend, defect) };
    };
    expect(await noticed(open)).toBeDefined();
  });

  it.each<StoreDefect>([
    "two winners",
    "lists a page twice",
    "lists late",
    "stores other bytes",
  ])("notices a store that %s", async (defect) => {
    expect(await noticed(() => bucket({ defects: [defect] }))).toBeDefined();
  });
});
