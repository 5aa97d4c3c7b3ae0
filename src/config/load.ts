import { homedir } from "node:os";
import { resolve as absolute, dirname } from "node:path";
import { messageOf, StowageError } from "../lib/error.js";
import type { Config, Diagnostic } from "./config.js";
import { type Findings, findings } from "./findings.js";
import type { Environment } from "./interpolate.js";
import { resolve } from "./resolve.js";
import type { StorageFile } from "./schema.gen.js";
import { isMapping, unwrap } from "./sugar.js";
import { checkShape, decode, readBytes } from "./text.js";
import { parseYaml, treeOf } from "./tree.js";
import { validate } from "./validate.js";

export interface LoadOptions {
  /** The variables that `${NAME}` may name, and HOME for `~`. None unless given: the process's own are not read. */
  env?: Environment;
}

/** `config` is there when no diagnostic is an error. */
export interface CheckResult {
  config?: Config;
  diagnostics: Diagnostic[];
}

/**
 * Reads a storage.yaml and reports all that is wrong with it at once. Never throws for what is in the file, or for a file
 * that can not be read. Touches nothing else: locations are not looked at.
 */
export async function checkConfig(file: string, options: LoadOptions = {}): Promise<CheckResult> {
  try {
    const { text, problem } = decode(await readBytes(file));
    if (!problem) return checkText(text, file, options);
    const found = findings(file, text);
    found.error(problem.code, problem.offset, problem.message, problem.hint);
    return { diagnostics: found.list() };
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    const found = findings(file, "");
    found.error(error.code, 0, messageOf(error), error.hint);
    return { diagnostics: found.list() };
  }
}

/** The same for a text that would be in `file`. */
export function checkText(text: string, file: string, options: LoadOptions = {}): CheckResult {
  const found = findings(file, text);
  const config = read(text, file, options.env ?? {}, found);
  const diagnostics = found.list();
  return config && !found.failed ? { config, diagnostics } : { diagnostics };
}

function read(text: string, file: string, env: Environment, found: Findings): Config | undefined {
  if (!checkShape(text, found)) return undefined;
  const document = parseYaml(text, found);
  if (!document) return undefined;
  const tree = unwrap(treeOf(document, { env, text, found }), found);
  if (tree === undefined) return undefined;
  if (!isMapping(tree)) {
    const empty = tree === null;
    found.error(
      "WRONG_TYPE",
      0,
      empty ? "the file is empty" : "storage.yaml must be a mapping",
      "It needs at least `locations:`.",
    );
    return undefined;
  }
  const names = namesOf(tree["locations"]);
  validate(tree, found);
  const path = absolute(file);
  const home = env["HOME"] || homedir();
  return resolve(tree as unknown as StorageFile, { file: path, folder: dirname(path), home, names, found });
}

function namesOf(locations: unknown): string[] {
  if (!Array.isArray(locations)) return [];
  return locations.flatMap((each: unknown) =>
    isMapping(each) && typeof each["name"] === "string" ? [each["name"]] : [],
  );
}

/**
 * The meaning of a storage.yaml.
 * @throws `CONFIG_INVALID` with every error as `file:line:column: message`
 */
export async function loadConfig(file: string, options: LoadOptions = {}): Promise<Config> {
  const { config, diagnostics } = await checkConfig(file, options);
  if (config) return config;
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === "error");
  throw new StowageError("CONFIG_INVALID", errors.map(diagnosticLine).join("\n"), {
    hint: "Run `stowage validate` to see all of it.",
  });
}

/** `storage.yaml:3:5: unknown key "localtions". Did you mean "locations"?` */
export const diagnosticLine = ({ file, line, column, message, hint }: Diagnostic): string =>
  `${file}:${line}:${column}: ${message}${hint === undefined ? "" : `. ${hint}`}`;
