import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { Backend } from "../../src/backend/backend.js";
import type { MemoryBackend } from "../../src/backend/memory.js";
import { type Fault, failing } from "../../src/testing/index.js";
import { type ActionSpec, cleanup, memoryWorld, planOf, run } from "../setup/apply.js";
import { storeOf } from "../setup/store.js";

afterEach(cleanup);

const NAMES = ["a", "b", "c"];
const KEYS = ["x", "y"];
const TEXTS = ["one", "one", "two"];
const addresses = NAMES.flatMap((name) => KEYS.map((key) => `${name}:${key}`));

const tree = fc
  .array(fc.option(fc.constantFrom(...TEXTS)), { minLength: addresses.length, maxLength: addresses.length })
  .map((texts) =>
    Object.fromEntries(texts.flatMap((text, index) => (text === null ? [] : [[addresses[index]!, text]]))),
  );
const action: fc.Arbitrary<ActionSpec> = fc
  .record({
    kind: fc.constantFrom("copy", "move", "delete", "verify"),
    from: fc.constantFrom(...addresses),
    to: fc.constantFrom(...addresses),
    content: fc.constantFrom(...TEXTS),
    expect: fc.constantFrom("absent", "present"),
    required: fc.constantFrom(1, 1, 2),
  })
  // In the order of I2, as the planner gives it: only what is higher than the source may vouch for it.
  .map(({ to, ...rest }) => ({
    ...rest,
    ...(rest.kind === "copy" || rest.kind === "move" ? { to } : {}),
    witnesses: addresses.filter((address) => address < rest.from || (rest.kind === "move" && address === to)),
  })) as fc.Arbitrary<ActionSpec>;
/** Mostly the plan knows what lies at the source; sometimes it is wrong. */
const informed = (before: Record<string, string>, actions: ActionSpec[]): ActionSpec[] =>
  actions.map((each, index) => (index === 4 ? each : { ...each, content: before[each.from] ?? each.content }));
const fault: fc.Arbitrary<Fault & { location: string }> = fc.record({
  location: fc.constantFrom(...NAMES),
  operation: fc.constantFrom("stat", "read", "write", "remove", "marker"),
  call: fc.integer({ min: 1, max: 6 }),
  lasting: fc.boolean(),
  when: fc.constantFrom("before", "after"),
});
/** What a user does meanwhile: writes or deletes. Bytes rot before, because rot after the last reading can not be seen. */
const mischief = fc.record({
  at: fc.constantFrom(...addresses),
  what: fc.constantFrom("write", "delete", "rot"),
  after: fc.integer({ min: 1, max: 12 }),
});
type Mischief = typeof mischief extends fc.Arbitrary<infer T> ? T : never;

/** In how many locations each content is, as the bytes really are. */
function census(backends: ReadonlyMap<string, MemoryBackend>): Map<string, number> {
  const places = new Map<string, Set<string>>();
  for (const [name, { objects }] of backends) {
    for (const { bytes } of objects.values()) {
      const text = Buffer.from(bytes).toString();
      places.set(text, (places.get(text) ?? new Set()).add(name));
    }
  }
  return new Map([...places].map(([text, names]) => [text, names.size]));
}

describe.each([
  { what: "directories", as: (backend: MemoryBackend): MemoryBackend => backend },
  // They read nothing back, copy by themselves, and tell hashes of their own.
  { what: "buckets", as: (backend: MemoryBackend) => storeOf(backend, { provider: "memory", computes: true }) },
])("apply against random worlds of $what, plans and faults", ({ as }) => {
  it("I1: at no instant has a content fewer copies than min(what it had, what is required)", async () => {
    let removals = 0;
    await fc.assert(
      fc.asyncProperty(tree, fc.array(action, { maxLength: 6 }), fc.option(fault), async (before, actions, planted) => {
        const { state, backends } = memoryWorld(NAMES, before);
        const initial = census(backends);
        const plan = await planOf(backends, informed(before, actions));
        // An assertion inside a backend would only be an error of that action.
        const violations: string[] = [];
        const check = () => {
          for (const [text, had] of initial) {
            if ((census(backends).get(text) ?? 0) < Math.min(had, 1)) violations.push(`${text} is lost`);
          }
        };
        const watched = new Map([...backends].map(([name, backend]) => [name, watch(as(backend), check)]));
        const broken = new Map<string, Backend>(watched);
        if (planted) broken.set(planted.location, failing(watched.get(planted.location)!, planted));
        const options = { retries: 1, pause: 1, concurrency: 3 };
        const first = await run({ state, backends: broken }, plan, options);
        // What is left open is applied again, as after a kill: without what the first run knew.
        const second = await run({ state: `${state}2`, backends: watched }, plan, options);
        removals += [...first.outcomes, ...second.outcomes].flatMap(({ removed }) => removed).length;
        expect(violations).toEqual([]);
      }),
      { numRuns: 150 },
    );
    expect(removals).toBeGreaterThan(30);
  });

  it("I2, I4: what a user writes or deletes meanwhile, and what had rotted before, makes apply take away neither", async () => {
    let removals = 0;
    const worlds = fc.tuple(tree, fc.array(action, { maxLength: 5 }), fc.array(mischief, { maxLength: 3 }));
    await fc.assert(
      fc.asyncProperty(worlds, async ([before, actions, mischiefs]) => {
        const { state, backends } = memoryWorld(NAMES, before);
        const plan = await planOf(backends, informed(before, actions));
        const violations: string[] = [];
        const world = mischiefMaker(backends, mischiefs);
        const removed = (doomed: string) => {
          removals += 1;
          if (doomed === "usr" || doomed === "rot") violations.push(`removed what is ${doomed}`);
          else if (!census(backends).has(doomed)) violations.push(`removed the last copy of ${doomed}`);
        };
        const watched = new Map(
          [...backends].map(([name, backend]) => [name, guarded(as(backend), world, removed, () => census(backends))]),
        );
        await run({ state, backends: watched }, plan, { concurrency: 2 });
        expect(violations).toEqual([]);
      }),
      { numRuns: 200 },
    );
    expect(removals).toBeGreaterThan(30);
  });
});

function mischiefMaker(
  backends: ReadonlyMap<string, MemoryBackend>,
  mischiefs: readonly Mischief[],
): { happen(): void; quietly<T>(body: () => Promise<T>): Promise<T> } {
  for (const { at, what } of mischiefs) {
    const [name = "", key = ""] = at.split(":");
    if (what === "rot") backends.get(name)?.rot(key, "rot");
  }
  let [calls, quiet] = [0, 0];
  return {
    happen() {
      if (quiet > 0) return;
      calls += 1;
      for (const { at, what, after } of mischiefs) {
        const [name = "", key = ""] = at.split(":");
        if (after !== calls) continue;
        if (what === "write") backends.get(name)?.put(key, "usr");
        if (what === "delete") backends.get(name)?.objects.delete(key);
      }
    },
    async quietly(body) {
      quiet += 1;
      return await body().finally(() => {
        quiet -= 1;
      });
    },
  };
}

/** Looks at the whole world after every change. */
const watch = (backend: Backend, check: () => void): Backend => ({
  ...backend,
  async write(key, source) {
    const entry = await backend.write(key, source);
    check();
    return entry;
  },
  async remove(key, options) {
    await backend.remove(key, options);
    check();
  },
});

/** Things happen at every look, but not between the last look and the removal: nobody could see that. */
function guarded(
  backend: MemoryBackend,
  { happen, quietly }: ReturnType<typeof mischiefMaker>,
  removed: (doomed: string) => void,
  census: () => Map<string, number>,
): Backend {
  const own = new Set<string>();
  return {
    ...backend,
    stat(key) {
      happen();
      return backend.stat(key);
    },
    async *read(key, options) {
      happen();
      yield* backend.read(key, options);
    },
    async write(key, source) {
      const entry = await backend.write(key, source);
      own.add(`${key} ${entry.version}`);
      return entry;
    },
    remove: (key, options) =>
      quietly(async () => {
        const doomed = Buffer.from(backend.objects.get(key)?.bytes ?? []).toString();
        await backend.remove(key, options);
        // A copy of wrong bytes that a store has made by itself is taken away again; what it was made of stays, but for the user.
        const ownCopy = own.has(`${key} ${options.version}`) && (!TEXTS.includes(doomed) || census().has(doomed));
        if (!ownCopy) removed(doomed);
      }),
  };
}
