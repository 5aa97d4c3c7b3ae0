// The public API does what the commands do: adopt, scan, plan, apply, and plan again, on a scratch copy of the library.
//
//   node examples/api.js
import { join } from "node:path";
import { apply, initLocation, loadConfig, openBackends, openCatalog, plan, recordRun, scan } from "stowage";
import { emptyScratch, home, layOutLibrary, repository } from "./scratch.js";

emptyScratch();
const config = await loadConfig(join(repository, "storage.yaml"), { env: { ...process.env, STOWAGE_HOME: home } });
layOutLibrary(config.locations[0].root);
const catalog = await openCatalog(join(config.settings.state, "catalog.duckdb"));
const backends = await openBackends(config);

for (const location of config.locations) {
  await initLocation(config, catalog, location, backends.get(location.name), { create: true, now: Date.now() });
}
await scan(config, catalog, backends, { now: Date.now() });
const first = await plan(config, catalog, { now: Date.now(), version: "example" });
console.log(`The plan has ${first.actions.length} actions.`);

let moved = 0;
const report = await apply(first, backends, {
  state: config.settings.state,
  configDigest: config.digest,
  now: Date.now,
  concurrency: config.settings.transfer.concurrency,
  retries: config.settings.transfer.retries,
  onEvent(event) {
    if (event.type === "bytes") moved += event.bytes;
  },
});
await recordRun(catalog, report);
console.log(`Applied; ${moved} bytes went over.`);

await scan(config, catalog, backends, { now: Date.now() });
const second = await plan(config, catalog, { now: Date.now(), version: "example" });
console.log(`The second plan has ${second.actions.length} actions.`);

await Promise.all([...backends.values()].map((backend) => backend.close()));
await catalog.close();
