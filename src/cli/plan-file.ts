import { randomBytes } from "node:crypto";
import { access, constants, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { codeOf, messageOf, StowageError } from "../lib/error.js";

/**
 * Whether a plan can be written there, before the work is done that makes one.
 * @throws `NOT_A_PLAN` when something else is there, `PLAN_FOLDER` when its folder is missing or can not be written to
 */
export async function checkPlanFile(file: string): Promise<void> {
  const folder = dirname(file);
  try {
    await access(`${folder}/.`, constants.W_OK);
  } catch (error) {
    const fact = FOLDER_FACTS[codeOf(error) ?? ""] ?? `can not be used: ${messageOf(error)}`;
    throw new StowageError("PLAN_FOLDER", `the plan can not be written to ${file}: the folder ${folder} ${fact}`, {
      hint: "Give -o a file in a folder that is there and that you may write to.",
      cause: error,
    });
  }
  if (!(await isSomethingElse(file))) return;
  throw new StowageError("NOT_A_PLAN", `${file} is there and is not a plan: it is not overwritten`, {
    hint: "Give -o another name, or remove the file.",
  });
}

const FOLDER_FACTS: Record<string, string> = {
  ENOENT: "does not exist",
  ENOTDIR: "is not a folder",
  EACCES: "may not be written to",
  EROFS: "is on a read-only file system",
};

/** Writes a plan file at once or not at all: through a file beside it that is renamed. @throws as `checkPlanFile` does */
export async function writePlanFile(file: string, lines: Iterable<string>): Promise<void> {
  await checkPlanFile(file);
  const temporary = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    const handle = await open(temporary, "wx");
    try {
      let piece = "";
      for (const line of lines) {
        piece += line.endsWith("\n") ? line : `${line}\n`;
        if (piece.length < 65_536) continue;
        await handle.write(piece);
        piece = "";
      }
      await handle.write(piece);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function isSomethingElse(file: string): Promise<boolean> {
  try {
    const found = await stat(file);
    if (!found.isFile()) return true;
    if (found.size === 0) return false;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
  const handle = await open(file, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(512), 0, 512, 0);
    const start = buffer.toString("utf8", 0, bytesRead);
    return !(start.startsWith("{") && start.includes('"type":"plan"'));
  } finally {
    await handle.close();
  }
}
