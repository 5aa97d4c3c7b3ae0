import { rmSync } from "node:fs";
import { NOW, syntheticCatalog } from "./catalog.js";
import { measure, stowage, warm } from "./measure.js";
import { SIZES } from "./sizes.js";
import { smallFiles } from "./tree.js";
import { workplace } from "./workplace.js";

/** Growing faster than this between two sizes is called a step. */
const LINEAR = 1.15;

/** What was measured: steps with their points, from the smallest to the largest; for the page, and as JSON. */
export const grown = [];

/** Time and memory of the main steps as the number of files grows: the exponent of the fitted power is 1 where it is linear. */
export async function growth() {
  for (const files of SIZES.trees) {
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
      ["plan", ["plan", "--no-refresh", "-o", "plan.stowage"]],
    ]) {
      note(step, files, await measure(place.run(args)));
    }
    rmSync(place.work, { recursive: true });
  }
  for (const files of SIZES.catalogs) {
    const command = stowage(["plan", "--no-refresh", "-o", "plan.stowage"], await syntheticCatalog(files), NOW);
    note("plan, 50 rules", files, await measure(command));
  }
  console.log(["", ...growthLines(grown)].join("\n"));
}

function note(step, files, figures) {
  const points = grown.find((each) => each.step === step)?.points ?? begin(step);
  points.push({ files, ...figures });
  console.log(
    `${step.padEnd(20)} ${files.toLocaleString("en").padStart(10)} files ${figures.seconds.toFixed(2).padStart(8)} s ${figures.megabytes.toFixed(0).padStart(6)} MB`,
  );
}

function begin(step) {
  const points = [];
  grown.push({ step, points });
  return points;
}

/** A table in Markdown, and whether some step of the way costs more than its files. */
export function growthLines(steps) {
  const sizes = [...new Set(steps.flatMap(({ points }) => points.map(({ files }) => files)))].sort((a, b) => a - b);
  const count = (files) => files.toLocaleString("en");
  return [
    `| | ${sizes.map((files, index) => `${count(files)}${index === 0 ? " files" : ""}`).join(" | ")} | time ~ files^ | memory ~ files^ |`,
    `|---|${"---:|".repeat(sizes.length + 2)}`,
    ...steps.map(({ step, points }) => {
      const cells = sizes.map((files) => cell(points, files));
      return `| ${[step, ...cells, shown(slope(points, "seconds")), shown(slope(points, "megabytes"))].join(" | ")} |`;
    }),
    "",
    verdict(steps, count),
  ];
}

function cell(points, files) {
  const index = points.findIndex((point) => point.files === files);
  if (index === -1) return "";
  const { seconds, megabytes } = points[index];
  const since = index === 0 ? "" : ` (${shown(exponents(points)[index - 1])})`;
  return `${seconds.toFixed(2)} s${since}, ${megabytes.toFixed(0)} MB`;
}

/** Between each two neighbouring sizes. */
const exponents = (points, figure = "seconds") =>
  points.slice(1).map((point, index) => slope([points[index], point], figure));

function verdict(steps, count) {
  if (steps.every(({ points }) => points.length < 2))
    return "Of one size only: whether there is a step can not be told.";
  const found = Object.entries({ time: "seconds", memory: "megabytes" }).flatMap(([name, figure]) =>
    steps.flatMap(({ step, points }) =>
      exponents(points, figure).flatMap((exponent, index) => {
        const [from, to] = [points[index], points[index + 1]].map(({ files }) => count(files));
        return exponent > LINEAR ? [`${name} of ${step} from ${from} to ${to} files (${shown(exponent)})`] : [];
      }),
    ),
  );
  return found.length === 0
    ? `None has a step: between no two sizes do time or memory grow faster than files^${LINEAR}. What lies below 1 is the start, which small trees pay as well.`
    : `These grow faster than files^${LINEAR}: ${found.join("; ")}.`;
}

/** Empty where it can not be told: of one size, or where memory is not measured. */
const shown = (exponent) => (Number.isFinite(exponent) ? exponent.toFixed(2) : "");

/** The exponent: least squares through the logarithms. */
function slope(points, figure) {
  const [x, y] = [points.map(({ files }) => Math.log(files)), points.map((point) => Math.log(point[figure]))];
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [mx, my] = [mean(x), mean(y)];
  const sum = (terms) => terms.reduce((total, term) => total + term, 0);
  return sum(x.map((value, index) => (value - mx) * (y[index] - my))) / sum(x.map((value) => (value - mx) ** 2));
}
