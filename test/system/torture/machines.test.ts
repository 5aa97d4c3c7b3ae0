import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it, type TestContext } from "vitest";
import { readJournal } from "../../../src/apply/journal-read.js";
import type { Backend } from "../../../src/backend/backend.js";
import { bucketBackend } from "../../../src/backend/bucket.js";
import { localBackend } from "../../../src/backend/local.js";
import { sha256Hex } from "../../../src/lib/json.js";
import { type ActionSpec, cleanup, planOf, plant, scratch, type Tree, uuidOf } from "../../setup/apply.js";
import { figure, sized } from "../../support/figures.js";
import { type Machine, type PlaceOrder, startMachine } from "../../support/machine.js";
import { makeNetworks, type Networks } from "../../support/networks.js";
import { openWorld } from "../../support/s3/subject.js";
import { hashAt, keysOf, sourceOf } from "../proxy-kit.js";

const server = inject("radosgw");
/** Long enough for a holder on a busy machine to be seen alive. Who takes over waits for it: the tests run beside each other. */
const TTL = 20_000;
/** Where a run is stopped in the middle, each change of a directory takes so much longer. */
const SLOW = 30;
/** It comes to no end before it is killed, however busy the machine is, and renews its lock. */
const STUCK = 600_000;

let networks: Networks;
beforeAll(async () => {
  networks = await makeNetworks(server?.endpoint, 4);
  console.log(`machines: ${networks.what}`);
});
afterAll(() => networks?.remove());
afterAll(cleanup);

type AtEnd = TestContext["onTestFinished"];

/** A shared directory, a shared bucket, and what each machine can do there. */
interface World {
  backends: Map<string, Backend>;
  /** Starts an apply on the machine of that number. */
  start(
    machine: number,
    specs: ActionSpec[],
    options?: { slow?: number; lock?: string },
  ): Promise<Machine & { state: string }>;
  tree(): Promise<Record<string, string>>;
}

const DIRECTORIES = ["nas", "ssd"];

async function shared(tree: Tree, onTestFinished: AtEnd): Promise<World> {
  if (!server) throw new Error("no radosgw");
  const { store, requests, config, dispose } = await openWorld(server, { versioned: true, store: { prefix: "" } });
  onTestFinished(dispose);
  const root = scratch();
  const backends = new Map<string, Backend>();
  for (const name of DIRECTORIES) {
    mkdirSync(join(root, name));
    backends.set(name, localBackend(name, join(root, name)));
  }
  backends.set("cloud", bucketBackend("cloud", "", store, requests, { allowUnconditionalDelete: false }));
  for (const [name, backend] of backends) await backend.writeMarker(uuidOf(name));
  const addresses = Object.entries(tree);
  plant(root, Object.fromEntries(addresses.filter(([address]) => !address.startsWith("cloud:"))));
  for (const [address, text] of addresses) {
    if (address.startsWith("cloud:")) await backends.get("cloud")?.write(address.slice(6), sourceOf(Buffer.from(text)));
  }
  const places = (machine: number): PlaceOrder[] => [
    ...DIRECTORIES.map((name) => ({ name, root: join(root, name) })),
    { name: "cloud", store: { ...config, endpoint: networks.endpoint(machine) ?? server.endpoint } },
  ];
  return {
    backends,
    async start(machine, specs, { slow = 0, lock } = {}) {
      const state = join(scratch(), "state");
      const order = { plan: await planOf(backends, specs, { trash: 0 }), places: places(machine), state, slow };
      const locked = lock === undefined ? {} : { lock: { location: lock, ttl: TTL } };
      const netns = networks.name(machine);
      const options = { file: join(scratch(), "order.json"), ...(netns !== undefined && { netns }) };
      const started = startMachine({ ...order, ...locked }, options);
      onTestFinished(() => started.kill("SIGKILL"));
      return { ...started, state };
    },
    async tree() {
      const found: Record<string, string> = {};
      for (const [name, backend] of backends) {
        for (const key of await keysOf(backend)) found[`${name}:${key}`] = (await hashAt(backend, key)) ?? "gone";
      }
      return found;
    },
  };
}

const FILES = Array.from({ length: 6 }, (_, n) => ({ name: `${n}.txt`, text: `content ${n}` }));
/** The same tree of FILES at a location. */
const at = (location: string, folder = ""): Tree =>
  Object.fromEntries(FILES.map(({ name, text }) => [`${location}:${folder}${name}`, text]));
const hashes = (...trees: Tree[]): Record<string, string> =>
  Object.fromEntries(trees.flatMap(Object.entries).map(([address, text]) => [address, sha256Hex(String(text))]));

const moves = (from: string, to: string, folder = ""): ActionSpec[] =>
  FILES.map(({ name, text }) => ({
    kind: "move",
    from: `${from}:${folder}${name}`,
    to: `${to}:${folder}${name}`,
    content: text,
  }));
const drops = (from: string, ...witnesses: string[]): ActionSpec[] =>
  FILES.map(({ name, text }) => ({
    ...{ kind: "delete", from: `${from}:${name}`, content: text },
    witnesses: witnesses.map((location) => `${location}:${name}`),
  }));

const rounds = sized(1, 8);
const played: string[] = [];
afterAll(() => {
  const where = networks?.own ? "in network namespaces" : "in one network";
  figure(`rounds of several machines ${where}`, played.length);
});

/** Nothing is lost, and what the first machine has left is done by its next run. */
async function finish(world: World, lock: string): Promise<void> {
  const there = await world.tree();
  for (const { text } of FILES) expect(Object.values(there)).toContain(sha256Hex(text));
  expect(there).toMatchObject(hashes(at("ssd", "new/")));
  const rest = moves("ssd", "cloud").filter(({ from }) => from in there);
  expect(await (await world.start(0, rest, { lock })).result()).toMatchObject({ status: "complete" });
  expect(await world.tree()).toEqual(hashes(at("cloud"), at("ssd", "new/")));
}

const fenceOf = async (state: string): Promise<number | undefined> => {
  const [file = ""] = readdirSync(join(state, "journal"));
  return (await readJournal(state, file.replace(".ndjson", ""))).header?.lock?.fence;
};

describe.skipIf(!server)(
  "several machines on one directory and one bucket",
  { timeout: sized(300_000, 4 * 3600_000), concurrent: true },
  () => {
    it("I1, I7: without a lock, four that apply at once lose nothing, and one more run finishes what they left", async ({
      onTestFinished,
    }) => {
      for (let round = 0; round < rounds; round++) {
        const world = await shared(
          { ...at("nas"), ...at("ssd"), ...at("cloud"), ...at("ssd", "new/") },
          onTestFinished,
        );
        const work = [
          drops("ssd", "nas", "cloud"),
          drops("cloud", "nas"),
          moves("ssd", "cloud", "new/"),
          moves("ssd", "cloud", "new/"),
        ];
        const machines = await Promise.all(work.map((specs, n) => world.start(n, specs, { slow: round % 3 })));
        for (const machine of machines) expect((await machine.result()).type).toBe("report");
        const there = await world.tree();
        for (const { text } of FILES) expect(Object.values(there)).toContain(sha256Hex(text));
        const rest = work.flat().filter(({ from }) => from in there);
        if (rest.length > 0) expect(await (await world.start(0, rest)).result()).toMatchObject({ status: "complete" });
        expect(await world.tree()).toEqual(hashes(at("nas"), at("cloud", "new/")));
        played.push("no lock");
      }
    });

    it.for(["nas", "cloud"])("what is renewed in %s is never free for a moment", async (location, {
      onTestFinished,
    }) => {
      const world = await shared({}, onTestFinished);
      const register = world.backends.get(location)?.register;
      let token = await register?.write("0", undefined);
      let over = false;
      const seen: (string | undefined)[] = [];
      const looking = (async () => {
        while (!over) seen.push((await register?.read())?.text);
      })();
      for (let beat = 1; beat <= 20; beat++) token = await register?.write(String(beat), token);
      over = true;
      await looking;
      expect(token).toBeDefined();
      expect(seen).not.toContain(undefined);
    });

    describe.each(["nas", "cloud"])("with the lock in %s", (lock) => {
      it("one at a time applies: others are told who does, and touch nothing; one that is killed is taken over, and its work finished", async ({
        onTestFinished,
      }) => {
        for (let round = 0; round < rounds; round++) {
          const world = await shared({ ...at("ssd"), ...at("nas", "new/") }, onTestFinished);
          const first = await world.start(0, moves("ssd", "cloud"), { slow: STUCK, lock });
          expect(await first.saw("action-start")).toBe(true);
          const others = await Promise.all([1, 2].map((n) => world.start(n, moves("nas", "ssd", "new/"), { lock })));
          for (const other of others) {
            const result = await other.result();
            // Else it has not been stuck.
            expect(first.lines.filter(({ type }) => type === "report" || type === "error")).toEqual([]);
            expect(result).toMatchObject({ type: "error", code: "LOCKED", exit: 7 });
            expect(other.lines.filter(({ type }) => type === "action-start")).toEqual([]);
          }
          first.kill("SIGKILL");
          await first.result();
          const began = performance.now();
          const second = await world.start(1, moves("nas", "ssd", "new/"), { lock });
          expect(await second.result()).toMatchObject({ status: "complete" });
          expect(performance.now() - began).toBeGreaterThanOrEqual(1.25 * TTL);
          expect(await fenceOf(second.state)).toBe(2);
          await finish(world, lock);
          played.push("killed");
        }
      });

      it("one that was paused past its lease removes nothing more, and says why", async ({ onTestFinished }) => {
        for (let round = 0; round < rounds; round++) {
          const world = await shared({ ...at("ssd"), ...at("nas", "new/") }, onTestFinished);
          const first = await world.start(0, moves("ssd", "cloud"), { slow: SLOW, lock });
          expect(await first.saw("action-start", 2 + (round % 3))).toBe(true);
          first.kill("SIGSTOP");
          const second = await world.start(1, moves("nas", "ssd", "new/"), { lock });
          expect(await second.result()).toMatchObject({ status: "complete" });
          const sources = async () =>
            Object.keys(await world.tree()).filter((address) => /^ssd:\d/.test(address)).length;
          const before = await sources();
          first.kill("SIGCONT");
          const result = await first.result();
          expect(result).toMatchObject({ type: "report", status: "incomplete", exit: 4 });
          expect(result.codes?.at(-1)).toBe("LOCK_LOST");
          // The one removal that was let go of when it was paused may go on.
          expect(await sources()).toBeGreaterThanOrEqual(before - 1);
          await finish(world, lock);
          played.push("paused");
        }
      });
    });
  },
);
