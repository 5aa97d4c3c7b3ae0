// One machine of several that share a lock: an apply in a process of its own, slow enough to be stopped in the middle.
//   node lock-child.js '{"plan": FILE, "root": DIR, "names": ["a", …], "state": DIR, "ttl": 2000, "slow": 20, "hub": {"store": …} | null}'
// Prints each event's type as a line, and its report as the last.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { apply } from "../../dist/apply/apply.js";
import { bucketBackend } from "../../dist/backend/bucket.js";
import { localBackend } from "../../dist/backend/local.js";
import { openRequests } from "../../dist/backend/requests.js";
import { s3Store } from "../../dist/backend/s3.js";

const order = JSON.parse(process.argv[2] ?? "{}");
const step = () => sleep(order.slow);
const backends = new Map(order.names.map((name) => [name, localBackend(name, join(order.root, name), { step })]));
if (order.hub) {
  const requests = openRequests("hub", { retries: 3, concurrency: 4 });
  const store = await s3Store(order.hub.store, requests);
  backends.set("hub", bucketBackend("hub", "", store, requests, { allowUnconditionalDelete: false }));
} else backends.set("hub", localBackend("hub", join(order.root, "hub")));
const plan = JSON.parse(readFileSync(order.plan, "utf8"));
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
try {
  const report = await apply(plan, backends, {
    state: order.state,
    configDigest: plan.header.config.digest,
    now: () => Date.parse(plan.header.created_at),
    concurrency: 1,
    retries: 0,
    lock: { location: "hub", ttl: order.ttl },
    onEvent: ({ type }) => say({ type }),
  });
  say({
    type: "report",
    status: report.status,
    exit: report.exit,
    codes: report.outcomes.map(({ code }) => code ?? ""),
  });
} catch (error) {
  say({ type: "error", code: error.code, message: error.message });
}
for (const backend of backends.values()) await backend.close();
