import { appendFileSync } from "node:fs";
import process from "node:process";

/** `npm run torture` runs these tests at full size; `npm test` a sample of each that ends soon. */
export const FULL = process.env["STOWAGE_TORTURE"] === "full";

/** How much is tried: the sample in `npm test`, all of it in `npm run torture`. */
export const sized = (sample: number, full: number): number => (FULL ? full : sample);

/** Counts what a test tried, for the table of figures in docs/safety.md. Figures of the same name are added up. */
export function figure(name: string, count: number): void {
  const file = process.env["STOWAGE_FIGURES"];
  if (file) appendFileSync(file, `${JSON.stringify({ name, count })}\n`);
}
