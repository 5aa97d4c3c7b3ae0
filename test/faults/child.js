// Applies plans one after the other and then sweeps, in a process of its own that a test can disturb:
//   node child.js '{"root": DIR, "names": ["a", …], "noLinks": ["c"], "state": DIR, "plans": [FILE, …], "gc": true, "retries": 0, "together": true}'
// It tells each step before it begins and when it has ended, one JSON document a line.
import { readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { apply } from "../../dist/apply/apply.js";
import { gc } from "../../dist/apply/gc.js";
import { hands } from "../../dist/backend/hands.js";
import { localBackend } from "../../dist/backend/local.js";
import { StowageError } from "../../dist/lib/error.js";

const order = JSON.parse(process.argv[2] ?? "{}");
const tell = (line) => writeSync(1, `${JSON.stringify(line)}\n`);
const plans = order.plans.map((file) => JSON.parse(readFileSync(file, "utf8")));
const backends = new Map(
  order.names.map((name) => {
    const features = { hardLinks: !order.noLinks?.includes(name) };
    return [
      name,
      localBackend(name, join(order.root, name), { features, ...(order.together && { hands: 0, enough: 1 }) }),
    ];
  }),
);
if (order.together) {
  hands().start();
  while (!hands().ready()) await sleep(1);
}
const now = () => Date.parse(plans[0].header.created_at);

async function step(name, body) {
  tell({ step: name });
  try {
    tell({ step: name, ...(await body()) });
  } catch (error) {
    // An error that stowage did not foresee is told with its stack, as a crash would be.
    const known = error instanceof StowageError;
    tell({ step: name, exit: error.exit ?? 1, code: error.code, message: known ? error.message : error.stack });
  }
}

for (const [index, plan] of plans.entries()) {
  await step(`apply ${index + 1}`, async () => {
    const { exit, outcomes } = await apply(plan, backends, {
      state: order.state,
      configDigest: plan.header.config.digest,
      now,
      concurrency: 1,
      retries: order.retries ?? 0,
      pause: 1,
    });
    return {
      exit,
      outcomes: outcomes.map(({ action, outcome, code, message }) => ({ action, outcome, code, message })),
    };
  });
}
if (order.gc) {
  await step("gc", async () => {
    const { problems } = await gc(backends, { state: order.state, trash: 0, now: now() });
    return { exit: problems.length > 0 ? 1 : 0, problems };
  });
}
