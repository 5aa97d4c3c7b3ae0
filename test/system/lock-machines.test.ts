import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, inject, it, onTestFinished } from "vitest";
import { readJournal } from "../../src/apply/journal-read.js";
import type { Backend } from "../../src/backend/backend.js";
import { bucketBackend } from "../../src/backend/bucket.js";
import { localBackend } from "../../src/backend/local.js";
import type { Plan } from "../../src/plan/plan.js";
import { type ActionSpec, cleanup, harvest, localWorld, planOf, scratch, uuidOf, type World } from "../setup/apply.js";
import { openWorld } from "../support/s3/subject.js";

afterEach(cleanup);

const server = inject("radosgw");
const CHILD = join(import.meta.dirname, "lock-child.js");
const TTL = 2_000;

interface Hub {
  backend: Backend;
  /** What the child needs to open it; null for a directory below the root. */
  order: { store: unknown } | null;
}

const HUBS: [string, (world: World) => Promise<Hub>][] = [
  [
    "a directory",
    async ({ root }) => {
      mkdirSync(join(root, "hub"));
      return { backend: localBackend("hub", join(root, "hub")), order: null };
    },
  ],
  [
    "radosgw",
    async () => {
      if (!server) throw new Error("no radosgw");
      const { store, requests, config, dispose } = await openWorld(server, { store: { prefix: "" } });
      onTestFinished(dispose);
      const backend = bucketBackend("hub", "", store, requests, { allowUnconditionalDelete: false });
      return { backend, order: { store: config } };
    },
  ],
];

const before = Object.fromEntries(Array.from({ length: 6 }, (_, index) => [`a:${index}`, `content ${index}`]));
const moves = Object.entries(before).map(
  ([from, content]): ActionSpec => ({ kind: "move", from, to: from.replace("a:", "b:"), content }),
);

async function machines(open: (world: World) => Promise<Hub>) {
  const world = await localWorld(["a", "b", "c"], { ...before, "c:other": "other" });
  const hub = await open(world);
  await hub.backend.writeMarker(uuidOf("hub"));
  const backends = new Map([...world.backends, ["hub", hub.backend]]);
  const [first, second] = [
    await planOf(backends, moves),
    await planOf(backends, [{ kind: "move", from: "c:other", to: "b:other", content: "other" }]),
  ];
  const start = (plan: Plan, slow: number) => machine({ root: world.root, plan, slow, hub: hub.order });
  return { ...world, first, second, start };
}

interface Line {
  type: string;
  status?: string;
  exit?: number;
  code?: string;
  codes?: string[];
}

/** An apply on a machine of its own: another process with another state directory. */
function machine({ root, plan, ...order }: { root: string; plan: Plan; slow: number; hub: Hub["order"] }) {
  const state = join(scratch(), "state");
  const file = join(scratch(), "plan.json");
  writeFileSync(file, JSON.stringify(plan));
  const names = ["a", "b", "c"];
  const child = spawn(
    process.execPath,
    [CHILD, JSON.stringify({ ...order, plan: file, root, names, state, ttl: TTL })],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines: Line[] = [];
  let [rest, wake]: [string, () => void] = ["", () => undefined];
  child.stdout.on("data", (chunk: Buffer) => {
    const texts = (rest + chunk.toString()).split("\n");
    rest = texts.pop() ?? "";
    lines.push(...texts.map((text) => JSON.parse(text) as Line));
    wake();
  });
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve(wake())));
  return {
    lines,
    state,
    kill: (signal: NodeJS.Signals) => void child.kill(signal),
    async saw(type: string, times = 1): Promise<void> {
      while (lines.filter((line) => line.type === type).length < times) {
        if (child.exitCode !== null) throw new Error(`it ended without ${type}: ${JSON.stringify(lines)}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    async result(): Promise<Line> {
      await ended;
      return lines.at(-1) ?? { type: "nothing" };
    },
  };
}

const contents = (root: string): string[] => Object.values(harvest(root)).sort();
const headerOf = async (state: string) => {
  const [file = ""] = readdirSync(join(state, "journal"));
  return (await readJournal(state, file.replace(".ndjson", ""))).header;
};

describe.each(
  HUBS.filter(([name]) => name !== "radosgw" || server),
)("machines that share a lock in %s", (_name, open) => {
  it("work one at a time: the second is told who holds it, and leaves everything as it is", async () => {
    const { root, first, second, start } = await machines(open);
    const one = start(first, 30);
    await one.saw("action-start");
    const two = start(second, 0);
    expect(await two.result()).toMatchObject({ type: "error", code: "LOCKED" });
    expect(harvest(root)["c:other"]).toBe("other");
    expect(await one.result()).toMatchObject({ status: "complete", exit: 0 });
    expect(await start(second, 0).result()).toMatchObject({ status: "complete" });
    expect(contents(root)).toEqual([...Object.values(before), "other"].sort());
  });

  it("take over from one that was killed, once it stood still", async () => {
    const { root, first, second, start } = await machines(open);
    const one = start(first, 30);
    await one.saw("action-done");
    one.kill("SIGKILL");
    await one.result();
    const began = performance.now();
    const two = start(second, 0);
    expect(await two.result()).toMatchObject({ status: "complete" });
    expect(performance.now() - began).toBeGreaterThanOrEqual(1.25 * TTL);
    expect((await headerOf(two.state))?.lock).toEqual({ location: "hub", fence: 2 });
    expect(await start(first, 0).result()).toMatchObject({ status: "complete" });
    expect(contents(root)).toEqual([...Object.values(before), "other"].sort());
  });

  it("fence one that was paused past its lease: it removes nothing more when it comes back", async () => {
    const { root, first, second, start } = await machines(open);
    const one = start(first, 30);
    await one.saw("action-done");
    one.kill("SIGSTOP");
    const two = start(second, 0);
    expect(await two.result()).toMatchObject({ status: "complete" });
    const between = Object.keys(harvest(root)).filter((address) => address.startsWith("a:"));
    one.kill("SIGCONT");
    const result = await one.result();
    expect(result).toMatchObject({ status: "incomplete", exit: 4 });
    expect(result.codes?.at(-1)).toBe("LOCK_LOST");
    // At most the one removal that was under way when it was paused went on.
    const after = Object.keys(harvest(root)).filter((address) => address.startsWith("a:"));
    expect(after.length).toBeGreaterThanOrEqual(between.length - 1);
    expect(after.length).toBeGreaterThan(0);
    expect([...new Set(contents(root))]).toEqual([...Object.values(before), "other"].sort());
    expect(readFileSync(join(root, "b/other"), "utf8")).toBe("other");
  });
});
