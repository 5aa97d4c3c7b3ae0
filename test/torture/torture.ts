import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { inventScript, type Planned } from "./invent.js";
import { MUTANTS, type Mutant } from "./mutants.js";
import { playScript } from "./play.js";
import { planPool } from "./pool.js";
import { loadProduct } from "./product.js";
import { describe } from "./script.js";
import { shrink } from "./shrink.js";
import { addTo, newTally, type Tally, type Work } from "./worker.js";

export interface TortureOptions {
  /** Where `prepare.js` has built everything. */
  directory: string;
  schedules: number;
  seed: number;
  workers: number;
  /** Worlds that the real planner plans. */
  pool: number;
  tell: (line: string) => void;
}

/** Neighbouring schedules, from the first to the last of a million, share their worlds, so that one of them can be played alone. */
const poolSeed = (seed: number): number => Math.floor((seed - 1) / 1_000_000) * 1_000_000 + 1;

/** Plays schedules until one breaks an invariant; that one is cut down and told. */
export async function torture(options: TortureOptions): Promise<Tally> {
  const { directory, schedules, seed, workers, tell } = options;
  const pool = await planPool(directory, options.pool, poolSeed(seed));
  const product = `${directory}/model/sound`;
  const started = performance.now();
  const total = newTally();
  let told = 0;
  const seconds = () => (performance.now() - started) / 1000;
  const each = Math.ceil(schedules / workers);
  await inThreads(
    directory,
    Array.from(
      { length: workers },
      (_, index): Work => ({ product, pool, first: seed + index, stride: workers, count: each }),
    ),
    (tally) => {
      add(total, tally);
      if (total.schedules - told < 50_000) return;
      told = total.schedules;
      tell(`${told} schedules, ${Math.round(told / seconds())} a second`);
    },
  );
  tell(summary(total, seconds()));
  if (total.broken)
    tell(`Again: npm run torture -- --only schedules --schedules 1 --seed ${total.broken.seed} --pool ${options.pool}`);
  if (total.broken) await explain(total.broken.seed, { product, pool, tell });
  return total;
}

function add(total: Tally, tally: Tally): void {
  total.schedules += tally.schedules;
  total.steps += tally.steps;
  total.judged += tally.judged;
  addTo(total.events, tally.events);
  addTo(total.outcomes, tally.outcomes);
  total.broken ??= tally.broken;
}

function summary({ schedules, steps, judged, events, outcomes, broken }: Tally, seconds: number): string {
  const list = (counts: Record<string, number>) =>
    Object.entries(counts)
      .sort(([, a], [, b]) => b - a)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ");
  return [
    `${schedules} schedules in ${seconds.toFixed(1)} s: ${Math.round(schedules / seconds)} a second, ${steps} steps, ${judged} destructive calls judged`,
    `events: ${list(events)}`,
    `outcomes: ${list(outcomes)}`,
    broken ? `BROKEN by seed ${broken.seed}` : "0 lost, 0 wrong, 0 replaced",
  ].join("\n");
}

async function explain(
  seed: number,
  at: { product: string; pool: Planned[]; tell: (line: string) => void },
): Promise<void> {
  const product = await loadProduct(at.product);
  const script = inventScript(seed, at.pool);
  const before = await playScript(script, product);
  const invariant = before.violations[0]?.invariant;
  if (invariant === undefined) return at.tell(`seed ${seed} breaks nothing when it is played alone`);
  const smallest = await shrink(script, product, invariant);
  const { trace } = await playScript(smallest, product, true);
  at.tell([describe(smallest), "", ...trace].join("\n"));
}

export interface Caught {
  mutant: Mutant;
  /** How many schedules it took; undefined: it lives. */
  after: number | undefined;
  invariant: string;
}

/** Plays each mutant until it is caught. Their copies must have been planted. */
export async function huntMutants(
  options: TortureOptions,
  mutants: readonly Mutant[],
  slug: (name: string) => string,
): Promise<Caught[]> {
  const { directory, seed, schedules, tell } = options;
  const sound = await planPool(directory, options.pool, poolSeed(seed));
  const caught: Caught[] = [];
  const queue = [...mutants];
  const hunter = async (): Promise<void> => {
    for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
      const planner = mutant.edits.some(({ file }) => file.startsWith("src/plan/"));
      const pool = planner
        ? await planPool(`${directory}/plain/${slug(mutant.name)}`, options.pool, poolSeed(seed))
        : sound;
      const product = `${directory}/model/${slug(mutant.name)}`;
      const total = newTally();
      await inThreads(directory, [{ product, pool, first: seed, stride: 1, count: schedules }], (tally) =>
        add(total, tally),
      );
      const invariant = total.broken?.violations[0]?.invariant ?? "";
      caught.push({ mutant, after: total.broken && total.schedules, invariant });
      tell(`${mutant.name.padEnd(52)} ${total.broken ? `${invariant} after ${total.schedules}` : "LIVES"}`);
    }
  };
  await Promise.all(Array.from({ length: options.workers }, hunter));
  return MUTANTS.flatMap((mutant) => caught.filter((each) => each.mutant === mutant));
}

/** Ends all threads as soon as one has found something. */
async function inThreads(directory: string, works: readonly Work[], told: (tally: Tally) => void): Promise<void> {
  const file = pathToFileURL(`${directory}/test/torture/worker.js`);
  // What a schedule allocates is garbage at its end: the less often it is looked for, the better.
  const resourceLimits = { maxYoungGenerationSizeMb: 128 };
  const threads = works.map((workerData) => new Worker(file, { workerData, resourceLimits }));
  let found = false;
  const ends = threads.map(
    (thread) =>
      new Promise<void>((resolve, reject) => {
        thread.on("message", (tally: Tally) => {
          told(tally);
          if (!tally.broken) return;
          found = true;
          for (const each of threads) void each.terminate();
        });
        thread.on("error", reject);
        // One that ends with nothing more to do, but before its end, has code 13.
        thread.on("exit", (code) =>
          code === 0 || found ? resolve() : reject(new Error(`a thread of the torture ended with ${code}`)),
        );
      }),
  );
  await Promise.all(ends);
}
