// One apply in a process of its own, which a test can kill at any step:
//   node crash-child.js '{"plan": FILE, "root": DIR, "names": ["a", …], "state": DIR, "killAt": N, "hardLinks": true, "concurrency": 1}'
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { apply } from "../../dist/apply/apply.js";
import { localBackend } from "../../dist/backend/local.js";

const order = JSON.parse(process.argv[2] ?? "{}");
let steps = 0;
const step = () => {
  steps += 1;
  if (steps === order.killAt) process.kill(process.pid, "SIGKILL");
};
const features = { hardLinks: order.hardLinks ?? true };
const backends = new Map(
  order.names.map((name) => [name, localBackend(name, join(order.root, name), { features, step })]),
);
const plan = JSON.parse(readFileSync(order.plan, "utf8"));
try {
  const report = await apply(plan, backends, {
    state: order.state,
    configDigest: plan.header.config.digest,
    now: () => Date.parse(plan.header.created_at),
    concurrency: order.concurrency ?? 1,
    retries: 0,
  });
  process.stdout.write(JSON.stringify({ exit: report.exit, steps, outcomes: report.outcomes }));
  process.exitCode = report.exit;
} catch (error) {
  process.stdout.write(JSON.stringify({ error: error.code, message: error.message }));
  process.exitCode = error.exit ?? 1;
}
