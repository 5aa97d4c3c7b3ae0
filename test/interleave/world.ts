import { execute } from "../../src/apply/execute.js";
import { openGate } from "../../src/apply/gate.js";
import { checkHealth } from "../../src/apply/health.js";
import { arrivalsOf, exclusively, type Run } from "../../src/apply/run.js";
import type { Backend, StoreFeatures } from "../../src/backend/backend.js";
import { bucketBackend } from "../../src/backend/bucket.js";
import { codeOf } from "../../src/lib/error.js";
import type { Plan } from "../../src/plan/plan.js";
import { straight } from "../../src/testing/memory-store.js";
import { planOf } from "../setup/apply.js";
import { type Product, planted } from "./defects.js";
import type { Explored } from "./explore.js";
import { gatedDirectory, gatedStore, type OnRemoval } from "./gated.js";
import {
  asideIn,
  changedIn,
  objectsOf,
  openPlaces,
  type Place,
  requireCopies,
  type Script,
  set,
  sharedIn,
  treeOf,
} from "./script.js";
import { call, enter, hash, learn, type Machine, pass, quiet, stage } from "./stage.js";

const HONEST: StoreFeatures = {
  ...{ createOnly: true, createOnlyParts: true, oneWinner: true, conditionalReplace: true, conditionalRemove: true },
  ...{ conditionalRead: true, listAfterWrite: true, conditionalCopy: false, checksums: true, versioned: false },
};

export interface Standing {
  script: Script;
  places: Map<string, Place>;
  plans: Map<string, Plan>;
  shared: Map<string, ReadonlySet<string>>;
  /** In how many other places the content was when a machine began to remove it. */
  begun: Map<Machine, number>;
  problems: string[];
  product: Product;
}

/** Prepares all that is the same in each order; what it returns opens the world anew. */
export async function prepare(script: Script): Promise<() => Promise<Explored>> {
  const first = openPlaces(script);
  const backends = new Map([...first].map(([name, place]) => [name, ungated(name, place)]));
  const plans = new Map<string, Plan>();
  for (const [name, specs] of Object.entries(script.machines)) {
    plans.set(name, await planOf(backends, specs, { trash: 0 }));
  }
  const shared = sharedIn(script);
  return async () => {
    const places = openPlaces(script);
    const product = planted(script.defect);
    const standing: Standing = { script, places, plans, shared, begun: new Map(), problems: [], product };
    for (const name of Object.keys(script.machines)) await begin(standing, enter(name));
    if (script.user) void edit(standing, enter("user"));
    return explored(standing);
  };
}

const ungated = (name: string, { memory, store }: Place): Backend =>
  memory ?? bucketBackend(name, "", store!, straight, { allowUnconditionalDelete: false, verdicts: HONEST });

function backendsOf(standing: Standing, machine: Machine): Map<string, Backend> {
  const gone: OnRemoval = (_, location, key, meant) => {
    const others = standing.begun.get(machine) ?? 0;
    if (!meant) standing.problems.push(`${machine.name} removes what somebody wrote to ${location}:${key}`);
    if (others < standing.script.floor)
      standing.problems.push(`${machine.name} removes ${location}:${key}, of which there were ${others} others`);
  };
  const open = (name: string, { memory, store }: Place): Backend => {
    const shared = (key: string) => standing.shared.get(name)?.has(key) ?? false;
    if (memory) return gatedDirectory(machine, memory, shared, gone);
    const gated = gatedStore(machine, name, standing.product.store(store!), shared, gone);
    return bucketBackend(name, "", gated, straight, { allowUnconditionalDelete: false, verdicts: HONEST });
  };
  const noted = (backend: Backend): Backend => {
    return {
      ...backend,
      async remove(key, options) {
        await pass(machine, `begin to remove ${backend.location}:${key}`);
        standing.begun.set(machine, othersOf(standing, backend.location));
        await backend.remove(key, options);
      },
    };
  };
  return new Map(
    [...standing.places].map(([name, place]) => [name, standing.product.backend(noted(open(name, place)))]),
  );
}

async function begin(standing: Standing, machine: Machine): Promise<void> {
  stage.current = machine;
  void applied(standing, machine, backendsOf(standing, machine)).then(
    (outcomes) => learn(machine, outcomes.join(" ")),
    (error: unknown) => {
      learn(machine, codeOf(error) ?? "");
      standing.problems.push(`${machine.name} ends with ${error}`);
    },
  );
  await quiet();
  stage.current = undefined;
}

/** What `apply` does, without its own files. */
async function applied(standing: Standing, machine: Machine, backends: Map<string, Backend>): Promise<string[]> {
  const plan = standing.plans.get(machine.name.replace(/'+$/, ""))!;
  const run = await openRun(machine, plan, backends);
  const outcomes: string[] = [];
  for (const action of plan.actions) {
    const { outcome, code = "", message = "" } = await execute(run, action);
    if (code === "INVARIANT" || code === "ERROR") standing.problems.push(`${machine.name}: ${code} ${message}`);
    outcomes.push(outcome + code);
  }
  return outcomes;
}

/** The only content of a script is x. */
const othersOf = ({ places }: Standing, location: string): number =>
  [...places].filter(([name, place]) => name !== location && objectsOf(place).some(([, text]) => text === "x")).length;

async function openRun(machine: Machine, plan: Plan, backends: ReadonlyMap<string, Backend>): Promise<Run> {
  const now = () => 0;
  const options = { backends, windows: new Map(), timezone: "UTC", now, patience: 0 };
  return {
    ...{ id: machine.name, over: new Set<string>(), plan, backends, now },
    journal: { append: () => undefined, commit: async () => undefined, close: async () => undefined },
    health: await checkHealth(plan.header.scans, backends),
    gate: openGate(options),
    retries: { retries: 0 },
    limit: (bytes) => bytes,
    emit: () => undefined,
    abort: new AbortController().signal,
    ...{ proven: new Map(), lasting: new Set(), relinked: new Map(), continued: false, exclusively: exclusively() },
    arrivals: arrivalsOf(plan),
  };
}

async function edit({ script, places }: Standing, user: Machine): Promise<void> {
  for (const [address, text] of script.user ?? []) {
    await call(user, `writes ${address}`, async () => set(places, address, text));
  }
}

function explored(standing: Standing): Explored {
  const { script, places, problems, begun } = standing;
  return {
    key: () => {
      const stored = [...places].map(([name, place]) => [name, ...objectsOf(place)]);
      return hash(JSON.stringify([stored, [...begun].map(([{ name }, others]) => `${name} ${others}`).sort()]));
    },
    check() {
      if (problems.length > 0) throw new Error(problems.join("; "));
      if (!script.user) requireCopies(script, [...Object.entries(treeOf(places)), ...asideIn(places)]);
    },
    async done() {
      if (!script.end) return;
      await applyAgain(standing);
      const [is, wanted] = [treeOf(places), script.end].map((tree) => JSON.stringify(Object.entries(tree).sort()));
      if (is !== wanted) throw new Error(`in the end there is ${is}, not ${wanted}`);
    },
    changes: (machine, address) => changedBy(script, machine).has(address),
    ...(script.restarts && { again: (killed: Machine) => begin(standing, enter(`${killed.name}'`)) }),
  };
}

/** Each machine plans again and applies that, alone. */
async function applyAgain(standing: Standing): Promise<void> {
  for (const [name, specs] of Object.entries(standing.script.machines)) {
    const machine = enter(name);
    const backends = backendsOf(standing, machine);
    const plans = new Map([[name, await planOf(backends, specs, { trash: 0 })]]);
    await applied({ ...standing, plans }, machine, backends);
  }
}

function changedBy({ machines, user = [] }: Script, { name }: Machine): Set<string> {
  if (name === "user") return new Set(user.map(([address]) => address));
  return new Set(machines[name.replace(/'+$/, "")]!.flatMap(changedIn));
}
