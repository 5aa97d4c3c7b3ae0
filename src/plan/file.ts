import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { ExitCode, messageOf, StowageError } from "../lib/error.js";
import { sha256Hex } from "../lib/json.js";
import type { Action, Plan, PlanFooter, PlanHeader } from "./plan.js";
import { requireSound } from "./sound.js";

const line = (value: unknown): string => `${JSON.stringify(value)}\n`;

/**
 * Puts a plan together: numbers the actions' ids as they stand, derives `plan_id` from all of the content, and closes with the
 * digest of every byte before the last line.
 */
export function seal(header: Omit<PlanHeader, "plan_id">, actions: Action[], footer: Omit<PlanFooter, "digest">): Plan {
  const texts = actions.map(line);
  const id = digestOf([line(header)], texts, [line(footer)]).slice(0, 16);
  const { type, format_version, stowage_version, ...rest } = header;
  const sealed: PlanHeader = { type, format_version, stowage_version, plan_id: `p-${id}`, ...rest };
  return { header: sealed, actions, footer: { ...footer, digest: `sha256:${digestOf([line(sealed)], texts)}` } };
}

/** Line by line, so that no plan has to be one string. */
function digestOf(...parts: (readonly string[])[]): string {
  const hash = createHash("sha256");
  for (const part of parts) for (const text of part) hash.update(text);
  return hash.digest("hex");
}

/** The plan file, line by line (NDJSON). */
export function* planText(plan: Plan): Generator<string> {
  yield line(plan.header);
  for (const action of plan.actions) yield line(action);
  yield line(plan.footer);
}

/**
 * Reads a plan file and proves that nobody changed it, and that it says only what a planner can have written.
 * @throws `PLAN_EDITED` (exit 5) when a byte differs from what was written, `PLAN_INVALID` (5) when a digest was forged, `PLAN_UNREADABLE`
 * when it is no plan file
 */
export async function readPlan(file: string): Promise<Plan> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new StowageError("PLAN_UNREADABLE", `the plan ${file} can not be read: ${messageOf(error)}`, {
      hint: "Write one with `stowage plan -o FILE`.",
      cause: error,
    });
  }
  return parsePlan(text, file);
}

/** `readPlan` over text; `file` names it in errors. */
export function parsePlan(text: string, file: string): Plan {
  const lines = text.split("\n");
  if (lines.pop() !== "" || lines.length < 2) throw notAPlan(file, "it is cut short");
  const records = lines.map((each, index) => parseLine(each, index, file));
  const header = records[0];
  const footer = records.at(-1);
  if (!isHeader(header)) throw notAPlan(file, "its first line is not a plan header");
  if (!header.format_version.startsWith("1.")) {
    throw new StowageError("PLAN_FORMAT", `${file} has plan format ${header.format_version}; this stowage reads 1.x`, {
      hint: "Make the plan again with this version.",
      exit: ExitCode.stale,
    });
  }
  if (!isFooter(footer)) throw edited(file);
  const before = `${lines.slice(0, -1).join("\n")}\n`;
  if (footer.digest !== `sha256:${sha256Hex(before)}`) throw edited(file);
  const plan: Plan = { header, actions: records.slice(1, -1) as Action[], footer };
  requireSound(plan, file);
  const { digest: _digest, ...rest } = footer;
  const { plan_id, ...head } = header;
  if (idOf(head, plan.actions, rest, file) !== plan_id) throw edited(file);
  return plan;
}

/** @throws `PLAN_EDITED` for what nests so deeply that it can not be written again */
function idOf(...[head, actions, rest, file]: [...Parameters<typeof seal>, file: string]): string {
  try {
    return seal(head, actions, rest).header.plan_id;
  } catch (error) {
    if (error instanceof RangeError) throw edited(file);
    throw error;
  }
}

function parseLine(text: string, index: number, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (index === 0) throw notAPlan(file, "its first line is not JSON");
    throw new StowageError("PLAN_EDITED", `${file}:${index + 1} is not JSON: the plan was edited or damaged`, {
      hint: "Make it again with `stowage plan -o FILE`.",
      exit: ExitCode.stale,
      cause: error,
    });
  }
}

const isHeader = (value: unknown): value is PlanHeader =>
  typeof value === "object" &&
  value !== null &&
  "type" in value &&
  value.type === "plan" &&
  "plan_id" in value &&
  "format_version" in value &&
  typeof value.format_version === "string";

const isFooter = (value: unknown): value is PlanFooter =>
  typeof value === "object" &&
  value !== null &&
  "type" in value &&
  value.type === "end" &&
  "digest" in value &&
  "summary" in value;

const notAPlan = (file: string, why: string): StowageError =>
  new StowageError("PLAN_EDITED", `${file} is not a whole plan file: ${why}`, {
    hint: "Make it again with `stowage plan -o FILE`.",
    exit: ExitCode.stale,
  });

const edited = (file: string): StowageError =>
  new StowageError("PLAN_EDITED", `${file} was changed after it was written`, {
    hint: "A plan is applied as it was reviewed or not at all: make it again with `stowage plan -o FILE`.",
    exit: ExitCode.stale,
  });
