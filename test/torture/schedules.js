// Random schedules of crashes, power losses, rot, users and several machines against the real code on a model of disks and buckets, and
// the same against planted defects: see docs/safety.md.
import { pathToFileURL } from "node:url";
import { build, plant, slug } from "./prepare.js";

async function withBuilt(body) {
  const built = build();
  try {
    const load = (file) => import(pathToFileURL(`${built.directory}/test/torture/${file}`).href);
    const [{ torture, huntMutants }, { MUTANTS }] = await Promise.all([load("torture.js"), load("mutants.js")]);
    return await body({ directory: built.directory, torture, huntMutants, MUTANTS });
  } finally {
    built.remove();
  }
}

/** @returns true when no schedule broke an invariant; the first that did is told, cut down */
export const playSchedules = (options, figure) =>
  withBuilt(async ({ directory, torture }) => {
    const { schedules, steps, judged, broken } = await torture({ ...options, directory });
    figure("random schedules", schedules);
    figure("their calls of a file system or a store, each a point where anything may happen", steps);
    figure("destructive calls judged by the oracle", judged);
    return broken === undefined;
  });

/** Plays each planted defect until it is caught. @returns the table for people */
export const playMutants = (options, figure) =>
  withBuilt(async ({ directory, huntMutants, MUTANTS }) => {
    const { named, tell } = options;
    const wanted = MUTANTS.filter(({ name }) => named?.some((word) => name.includes(word)) ?? true);
    plant(directory, wanted);
    const caught = await huntMutants({ ...options, directory }, wanted, slug);
    const rows = caught.map(
      ({ mutant, invariant, after }) =>
        `| ${mutant.name} | ${mutant.breaks} | ${invariant} | ${after?.toLocaleString("en") ?? "lives"} |`,
    );
    const table = ["| planted defect | breaks | caught by | after |", "|---|---|---|---:|", ...rows];
    const living = caught.filter(({ after }) => after === undefined).length;
    tell(["", ...table].join("\n"));
    tell(living === 0 ? `all ${caught.length} mutants killed` : `${living} of ${caught.length} mutants live`);
    figure("planted defects caught by the schedules", caught.length - living);
    return { table, killed: living === 0 };
  });
