/** What is measured, and how often: the variables of the environment, or what is usual. Only figures of the same sizes are set side by side. */
export const SIZES = {
  rounds: one("ROUNDS", 5),
  files: one("FILES", 200_000),
  megabytes: one("MEGABYTES", 512),
  keys: one("KEYS", 200_000),
  small: one("SMALL", 5_000),
  object: one("OBJECT", 2_048),
  gigabytes: one("GIGABYTES", 20),
  instances: one("INSTANCES", 10_000_000),
  annexed: one("ANNEXED", 20_000),
  trees: some("SIZES", "10000,100000,1000000"),
  catalogs: some("CATALOGS", "10000,100000,1000000,10000000"),
};

function one(name, usual) {
  const found = some(name, String(usual));
  return found.length === 1 ? found[0] : refuse(name);
}

/** From the smallest to the largest. */
function some(name, usual) {
  const numbers = (process.env[`STOWAGE_BENCH_${name}`] ?? usual).split(",").map(Number);
  return numbers.every((number) => Number.isInteger(number) && number > 0)
    ? numbers.sort((a, b) => a - b)
    : refuse(name);
}

function refuse(name) {
  console.error(`STOWAGE_BENCH_${name} is not a number above 0: ${process.env[`STOWAGE_BENCH_${name}`]}`);
  process.exit(64);
}
