import { randomBytes } from "node:crypto";
import { open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { codeOf, StowageError } from "../lib/error.js";

/**
 * Writes a plan file at once or not at all: through a file beside it that is renamed. Overwrites only an earlier plan.
 * @throws `NOT_A_PLAN` when something else is there
 */
export async function writePlanFile(file: string, lines: Iterable<string>): Promise<void> {
  if (await isSomethingElse(file)) {
    throw new StowageError("NOT_A_PLAN", `${file} is there and is not a plan: it is not overwritten`, {
      hint: "Give -o another name, or remove the file.",
    });
  }
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
