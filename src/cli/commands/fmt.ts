import { randomBytes } from "node:crypto";
import { readFile, realpath, rename, stat, writeFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { Flags } from "@oclif/core";
import { ExitCode } from "../../lib/error.js";
import { BaseCommand } from "../base-command.js";
import { failOnErrors } from "../diagnostics.js";
import { examples, exits } from "../help.js";

export default class Fmt extends BaseCommand {
  static override summary = "Write storage.yaml in its canonical form";
  static override description =
    `Orders keys, spells values in one way and turns old spellings into rules; comments stay. The meaning does not change, so no plan becomes stale. With --check nothing is written: the difference is shown.

${exits([1, "error; with --check: the file is not in canonical form"])}`;
  static override examples = examples(["fmt", "write the file"], ["fmt --check", "fail in CI when somebody forgot"]);
  static override flags = {
    check: Flags.boolean({ description: "write nothing; show the difference and exit 1 when there is one" }),
  };

  async run(): Promise<number> {
    const { flags } = await this.parse(Fmt);
    const output = this.output(flags);
    const { formatConfig } = await import("../../config/format.js");
    const file = resolve(flags.config);
    const before = await readFile(file, "utf8");
    const { text, diagnostics } = formatConfig(before, file);
    failOnErrors(diagnostics);
    const changed = text !== before;
    if (changed && !flags.check) {
      await replaceText(file, text);
    }
    const name = basename(file);
    if (output.json) output.document({ file: name, changed, written: changed && !flags.check });
    else if (flags.check) {
      const { unifiedDiff } = await import("../../report/diff.js");
      await output.lines(unifiedDiff(name, before, text, output.text.paint));
    } else if (changed) output.note(`${name} is in canonical form now.`);
    if (!changed) output.note(`${name} is in canonical form.`);
    return changed && flags.check ? ExitCode.error : ExitCode.ok;
  }
}

/** At once or not at all, with the file's own permissions; a symbolic link stays one. */
async function replaceText(file: string, text: string): Promise<void> {
  const target = await realpath(file);
  const temporary = `${target}.fmt-${randomBytes(6).toString("hex")}`;
  await writeFile(temporary, text, { flag: "wx", mode: (await stat(target)).mode });
  await rename(temporary, target);
}
