import { bucketBackend } from "../../src/backend/bucket.js";
import { memoryStore, straight } from "../../src/testing/memory-store.js";
import type { Explored } from "./explore.js";
import { gatedStore } from "./gated.js";
import { enter, hash, learn, type Machine, quiet, stage } from "./stage.js";

interface World {
  /** What was written over which token, by who was told that it succeeded. */
  written: Map<string, string>;
  texts: Set<string>;
  problems: string[];
  store: ReturnType<typeof memoryStore>;
}

/** So many machines each read the register and write over what they saw, so many times. */
export const registerWorld = (machines: number, times: number) => async (): Promise<Explored> => {
  const store = memoryStore({ address: "memory://hub" });
  const world: World = { written: new Map(), texts: new Set(), problems: [], store };
  for (let n = 1; n <= machines; n++) {
    const machine = enter(`m${n}`);
    stage.current = machine;
    void write(world, machine, times);
    await quiet();
    stage.current = undefined;
  }
  return {
    key: () => hash(store.objects.get(".stowage-lock")?.bytes.toString() ?? ""),
    check() {
      if (world.problems.length > 0) throw new Error(world.problems.join("; "));
    },
    changes: () => true,
  };
};

async function write({ written, texts, problems, store }: World, machine: Machine, times: number): Promise<void> {
  const gated = gatedStore(
    machine,
    "hub",
    store,
    (name) => name === ".stowage-lock",
    () => undefined,
  );
  const { register } = bucketBackend("hub", "", gated, straight, { allowUnconditionalDelete: false });
  for (let time = 0; time < times; time++) {
    const found = await register!.read();
    if (found && !texts.has(found.text)) problems.push(`${machine.name} reads what nobody wrote: ${found.text}`);
    const text = `${machine.name} ${time} over ${found?.text ?? "nothing"}`;
    texts.add(text);
    const token = await register!.write(text, found?.token);
    learn(machine, token === undefined ? "lost" : "won");
    if (token === undefined) continue;
    const over = found?.token ?? "nothing";
    const other = written.get(over);
    if (other !== undefined) problems.push(`both ${other} and ${text} were written over ${over}`);
    written.set(over, text);
  }
}
