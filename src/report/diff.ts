import { createTwoFilesPatch } from "diff";
import { printable } from "../lib/key.js";
import { type Paint, plain } from "./format.js";

/** What would change in a file, as a unified diff; no lines when nothing does. */
export function unifiedDiff(file: string, before: string, after: string, paint: Paint = plain): string[] {
  if (before === after) return [];
  const patch = createTwoFilesPatch(file, file, before, after, "as it is", "canonical", { context: 3 });
  const lines = patch.split("\n").slice(0, -1);
  // Where both names are the same, a header of another tool stands before the diff proper.
  return lines
    .slice(lines.findIndex((line) => line.startsWith("---")))
    .map((line) => paintLine(printable(line.replaceAll("\t", "    ")), paint));
}

function paintLine(line: string, paint: Paint): string {
  if (line.startsWith("+++") || line.startsWith("---")) return paint("bold", line);
  if (line.startsWith("@@")) return paint("cyan", line);
  if (line.startsWith("+")) return paint("green", line);
  return line.startsWith("-") ? paint("red", line) : line;
}
