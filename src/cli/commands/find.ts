import { Flags } from "@oclif/core";
import type { Config, Matcher } from "../../config/config.js";
import { batch } from "../../lib/iter.js";
import { printable } from "../../lib/key.js";
import type { Found } from "../../plan/find.js";
import { bytes, count, plural, table } from "../../report/format.js";
import { plainly } from "../../report/json.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import type { Output } from "../output.js";
import { typed, usage } from "../usage.js";
import { withWorkspace } from "../workspace.js";

/** A flag for each key of a match; given twice, either value may match. */
const FIELDS = {
  path: ["GLOB", "the path in the location: /raw/**, *.jpg"],
  name: ["GLOB", "the file's name: IMG_*"],
  ext: ["EXT", "the extension"],
  location: ["NAME", "the location"],
  project: ["NAME", "the project, by the location's layout"],
  "media-type": ["KIND", "image, video, audio, document, text, archive, model, data, other"],
  type: ["MIME", "the MIME type: image/*"],
  size: ["RANGE", "'>1GB', '1MB..5MB'"],
  age: ["RANGE", "time since the content was modified: '>30d'"],
  "age-here": ["RANGE", "time since the file appeared there"],
  modified: ["RANGE", "when: '>=2026-01-01'"],
  accessed: ["RANGE", "when it was last read"],
  copies: ["RANGE", "verified copies: '<2'"],
  verified: ["RANGE", "time since it was last verified: '>90d'"],
  set: ["NAME", "a set of storage.yaml"],
} as const;
type Field = keyof typeof FIELDS;

const field = (name: Field) =>
  Flags.string({ multiple: true, helpGroup: "MATCH", helpValue: FIELDS[name][0], description: FIELDS[name][1] });

const SHOWN = 100;

export default class Find extends BaseCommand {
  static override summary = "List the files that a match matches";
  static override description =
    `Takes the same conditions as a rule's \`match:\`, and finds just what that rule would see. All that are given must hold; of one that is given twice, either. Answers from the catalog, as of the last scan.

${exits([7, "another process is writing the catalog"])}`;
  static override examples = examples(
    ["find --media-type video --size '>1GB' --location primary", "look for what takes room"],
    ["find --copies '<2' --json | jq -r '.files[].key'", "list what has one copy only"],
    ["find --match '{ path: \"/client-*/**\", not: { set: hero } }'", "try the match of a rule before writing it"],
    ["find --attr shot=010", "look for what the layout calls shot"],
  );
  static override flags = {
    path: field("path"),
    name: field("name"),
    ext: field("ext"),
    location: field("location"),
    project: field("project"),
    "media-type": field("media-type"),
    type: field("type"),
    size: field("size"),
    age: field("age"),
    "age-here": field("age-here"),
    modified: field("modified"),
    accessed: field("accessed"),
    copies: field("copies"),
    verified: field("verified"),
    set: field("set"),
    attr: Flags.string({
      multiple: true,
      helpGroup: "MATCH",
      helpValue: "NAME=VALUE",
      description: "an attribute, by the location's layout",
    }),
    match: Flags.string({ helpGroup: "MATCH", helpValue: "YAML", description: "a whole match, as in a rule" }),
  };

  async run(): Promise<undefined> {
    const { flags } = await this.parse(Find);
    const output = this.output(flags);
    return withWorkspace(flags, output, async (workspace) => {
      const matcher = await compile(matchOf(flags), flags.match, workspace.config);
      const { BETWEEN, find, findJson } = await import("../../plan/find.js");
      const catalog = await workspace.catalog("read");
      const options = { now: workspace.clock() };
      if (output.json) await printJson(findJson(workspace.config, catalog, matcher, options), BETWEEN, output);
      else await printText(find(workspace.config, catalog, matcher, options), output);
      return undefined;
    });
  }
}

type Given = Partial<Record<Field | "attr", string[] | undefined>>;

/** The flags as the mapping that a rule would have. */
function matchOf(flags: Given): Record<string, unknown> {
  const match: Record<string, unknown> = {};
  for (const name of Object.keys(FIELDS) as Field[]) {
    const values = flags[name];
    if (values) match[name.replace("-", "_")] = values.length === 1 ? values[0] : values;
  }
  for (const pair of flags.attr ?? []) {
    const at = pair.indexOf("=");
    if (at < 1) throw usage("BAD_MATCH", `--attr ${pair} is not NAME=VALUE`);
    match[`attr.${pair.slice(0, at)}`] = pair.slice(at + 1);
  }
  return match;
}

async function compile(match: Record<string, unknown>, text: string | undefined, config: Config): Promise<Matcher> {
  const { compileMatch } = await import("../../config/match.js");
  const sets = new Map(config.sets.map(({ name, match: matcher }) => [name, matcher]));
  const locations = config.locations.map(({ name }) => name);
  const of = [match, ...(text === undefined ? [] : [await parseMatch(text)])].map((value) =>
    typed(() => compileMatch(value, sets, locations)),
  );
  return { op: "all", of };
}

async function parseMatch(text: string): Promise<unknown> {
  const { parseYaml, treeOf } = await import("../../config/tree.js");
  const { checkShape } = await import("../../config/text.js");
  const { findings } = await import("../../config/findings.js");
  const found = findings("--match", text);
  const document = checkShape(text, found) ? parseYaml(text, found) : undefined;
  const value = document && treeOf(document, { env: {}, text, found });
  const first = found.list().find(({ severity }) => severity === "error");
  if (!document || first) {
    const fact = `--match is not YAML: ${first?.message ?? "it can not be read"}`;
    throw usage("BAD_MATCH", fact, "Quote it for the shell: --match '{ path: \"/raw/**\" }'.");
  }
  return value;
}

async function printJson(found: AsyncIterable<string>, between: string, output: Output): Promise<void> {
  output.write('{\n  "files": [');
  let separator = "\n    ";
  for await (const group of found) {
    if (output.closed) return;
    output.write(separator + plainly(group));
    separator = between;
  }
  output.write(separator.startsWith(",") ? "\n  ]\n}\n" : "]\n}\n");
}

/** On a terminal a table of the first hundred; otherwise every address on a line, for other programs. */
async function printText(found: AsyncIterable<Found>, output: Output): Promise<void> {
  const full = output.verbose || output.text.width === undefined;
  let [files, size] = [0, 0];
  for await (const group of batch(found, SHOWN)) {
    if (output.closed) return;
    if (output.text.width === undefined)
      await output.lines(group.map(({ location, key }) => printable(`${location}:${key}`)));
    else if (full || files < SHOWN) await output.lines(tableOf(group, output).slice(files === 0 ? 0 : 1));
    files += group.length;
    size += group.reduce((sum, file) => sum + file.size, 0);
  }
  if (!full && files > SHOWN) output.line(`… and ${count(files - SHOWN)} more (show with -v or --json)`);
  output.note(`${plural(files, "file")}, ${bytes(size)}.`);
}

const tableOf = (files: readonly Found[], output: Output): string[] =>
  table(
    [
      { title: "Location" },
      { title: "key", flexible: true },
      { title: "size", align: "right" },
      { title: "copies", align: "right" },
      { title: "modified" },
    ],
    files.map((file) => [
      file.location,
      file.key,
      bytes(file.size),
      file.copies === null ? "?" : count(file.copies),
      new Date(file.modified).toISOString().slice(0, 10),
    ]),
    output.text,
  );
