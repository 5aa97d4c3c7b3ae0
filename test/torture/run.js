// npm run torture [-- --schedules N --seed S --workers N --pool N] [--mutants [--only WORDS]]: random schedules of crashes, power losses, rot, users
// and several machines against the real code on a model of disks and buckets; see docs/safety.md.
import { availableParallelism } from "node:os";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { build, plant, slug } from "./prepare.js";

const { values } = parseArgs({
  options: {
    schedules: { type: "string" },
    seed: { type: "string", default: "1" },
    workers: { type: "string", default: String(Math.min(8, availableParallelism())) },
    pool: { type: "string", default: "150" },
    mutants: { type: "boolean", default: false },
    only: { type: "string" },
  },
});
const built = build();
try {
  const load = (file) => import(pathToFileURL(`${built.directory}/test/torture/${file}`).href);
  const [{ torture, huntMutants }, { MUTANTS }] = await Promise.all([load("torture.js"), load("mutants.js")]);
  const options = {
    directory: built.directory,
    schedules: Number(values.schedules ?? (values.mutants ? 20_000 : 1_000_000)),
    seed: Number(values.seed),
    workers: Number(values.workers),
    pool: Number(values.pool),
    tell: (line) => console.log(line),
  };
  if (values.mutants) {
    const words = values.only?.split(",");
    const wanted = MUTANTS.filter(({ name }) => words?.some((word) => name.includes(word)) ?? true);
    plant(built.directory, wanted);
    const caught = await huntMutants(options, wanted, slug);
    console.log("\n| mutant | breaks | caught by | after |\n|---|---|---|---:|");
    for (const { mutant, invariant, after } of caught)
      console.log(`| ${mutant.name} | ${mutant.breaks} | ${invariant} | ${after ?? "lives"} |`);
    const living = caught.filter(({ after }) => after === undefined).length;
    console.log(living === 0 ? `all ${caught.length} mutants killed` : `${living} of ${caught.length} mutants live`);
    if (living > 0) process.exitCode = 1;
  } else if (!(await torture(options))) process.exitCode = 1;
} finally {
  built.remove();
}
