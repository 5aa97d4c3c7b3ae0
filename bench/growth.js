import { rmSync } from "node:fs";
import { NOW, syntheticCatalog } from "./catalog.js";
import { measure, stowage, warm } from "./measure.js";
import { smallFiles } from "./tree.js";
import { workplace } from "./workplace.js";

const SIZES = (process.env.STOWAGE_BENCH_SIZES ?? "10000,100000,1000000").split(",").map(Number);

const CATALOGS = (process.env.STOWAGE_BENCH_CATALOGS ?? "10000,100000,1000000,10000000").split(",").map(Number);

/** Time and memory of the main steps as the number of files grows: the exponent of the fitted power is 1 where it is linear. */
export async function growth() {
  const steps = new Map();
  for (const files of SIZES) {
    const tree = smallFiles(files);
    const place = workplace("growth", {
      locations: { tree },
      rules: [`{ name: some, match: { ext: [jpg], size: ">4KiB" }, action: copy, destination: tree }`],
    });
    await measure(place.run(["init"]));
    warm(tree);
    for (const [step, args] of [
      ["first scan", ["scan"]],
      ["scan again", ["scan"]],
      ["plan --no-refresh", ["plan", "--no-refresh", "-o", "plan.stowage"]],
    ]) {
      note(steps, step, files, await measure(place.run(args)));
    }
    rmSync(place.work, { recursive: true });
  }
  for (const files of CATALOGS) {
    const command = stowage(["plan", "--no-refresh", "-o", "plan.stowage"], await syntheticCatalog(files), NOW);
    note(steps, "plan × 50 rules", files, await measure(command));
  }
  for (const [step, points] of steps)
    console.log(
      `${step.padEnd(20)} seconds ~ files^${slope(points, "seconds")}, memory ~ files^${slope(points, "megabytes")}`,
    );
}

function note(steps, step, files, figures) {
  steps.set(step, [...(steps.get(step) ?? []), { files, ...figures }]);
  console.log(
    `${step.padEnd(20)} ${files.toLocaleString("en").padStart(10)} files ${figures.seconds.toFixed(2).padStart(8)} s ${figures.megabytes.toFixed(0).padStart(6)} MB`,
  );
}

/** Least squares through the logarithms. */
function slope(points, figure) {
  const [x, y] = [points.map(({ files }) => Math.log(files)), points.map((point) => Math.log(point[figure]))];
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [mx, my] = [mean(x), mean(y)];
  const sum = (terms) => terms.reduce((total, term) => total + term, 0);
  return (
    sum(x.map((value, index) => (value - mx) * (y[index] - my))) / sum(x.map((value) => (value - mx) ** 2))
  ).toFixed(2);
}
