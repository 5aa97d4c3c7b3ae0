// One machine: an apply in a process of its own, slow enough to be stopped in the middle.
//   node machine-child.js ORDER.json   {"plan": FILE, "places": [{"name", "root"} | {"name", "store", "limits"}], "state": DIR, "slow": 20, "retries": 3, "lock": {"location", "ttl"}}
// Prints each event's type as a line, and its report as the last.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { apply } from "../../../dist/apply/apply.js";
import { bucketBackend } from "../../../dist/backend/bucket.js";
import { localBackend } from "../../../dist/backend/local.js";
import { openRequests } from "../../../dist/backend/requests.js";
import { s3Store } from "../../../dist/backend/s3.js";

const order = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8"));
const { plan, places, state, slow = 0, retries = 3, lock } = order;

async function open({ name, root, store, limits, verdicts }) {
  // The lock is renewed as fast as ever.
  const step = () => (slow > 0 && name !== lock?.location ? sleep(slow) : undefined);
  if (!store) return localBackend(name, root, { step });
  const requests = openRequests(name, { retries, concurrency: 4, ...order.requests });
  const options = { allowUnconditionalDelete: false, verdicts };
  return bucketBackend(name, store.prefix, await s3Store(store, requests, limits), requests, options);
}

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const backends = new Map();
for (const place of places) backends.set(place.name, await open(place));
try {
  const report = await apply(plan, backends, {
    state,
    configDigest: plan.header.config.digest,
    now: () => Date.parse(plan.header.created_at),
    concurrency: 1,
    retries: 0,
    ...(lock && { lock }),
    onEvent: ({ type, action }) => say({ type, ...(action && { action: action.id }) }),
  });
  const codes = report.outcomes.map(({ code }) => code ?? "");
  say({ type: "report", status: report.status, exit: report.exit, codes });
} catch (error) {
  say({ type: "error", code: error.code, exit: error.exit, message: error.message });
}
for (const backend of backends.values()) await backend.close();
