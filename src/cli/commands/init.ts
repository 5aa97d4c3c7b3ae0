import { resolve } from "node:path";
import { Flags } from "@oclif/core";
import type { Backend } from "../../backend/backend.js";
import type { Catalog } from "../../catalog/catalog.js";
import type { Location } from "../../config/config.js";
import { didYouMean } from "../../config/suggest.js";
import { codeOf, ExitCode, messageOf, StowageError } from "../../lib/error.js";
import { printable } from "../../lib/key.js";
import type { Paint } from "../../report/format.js";
import { featureLines } from "../../report/location-text.js";
import type { InitResult } from "../../scan/init.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import { openJournals, warnOfDamage } from "../journals.js";
import { lockTrouble } from "../lock-place.js";
import type { Output } from "../output.js";
import { ignoreState, writeSchema, writeStarter } from "../starter.js";
import { type Workspace, withWorkspace } from "../workspace.js";

interface Failure {
  location: string;
  outcome: "failed";
  code: string;
  message: string;
  hint?: string;
}

export default class Init extends BaseCommand {
  static override summary = "Write a storage.yaml to begin with, and adopt its locations";
  static override description =
    `Without a storage.yaml: writes one to edit, and lets git ignore the state directory. Then each location is adopted: a file .stowage-location with a UUID marks it, so that an unmounted disk is never taken for an empty one; and what its file system can do is found out. Can be run again at any time; never overwrites a storage.yaml or a marker.

${exits([1, "error, or a location could not be adopted"], [7, "another process is using the catalog"])}`;
  static override examples = examples(
    ["init", "write a storage.yaml; run it again when you have put your own paths in"],
    ["init --create", "adopt the locations, and make the directories that are not there"],
    ["init --adopt nas", "accept a disk that was replaced, lost its marker, or lost many files on purpose"],
  );
  static override flags = {
    create: Flags.boolean({ description: "make the root of a location when it is not there" }),
    adopt: Flags.string({
      multiple: true,
      helpValue: "NAME",
      description: "accept what is at this location now, whatever was there before",
    }),
  };

  async run(): Promise<number> {
    const { flags } = await this.parse(Init);
    const output = this.output(flags);
    const file = resolve(flags.config);
    const wrote = await writeStarter(file);
    if (wrote) {
      output.note(`Wrote ${flags.config}: put your own paths in.`);
      if (await ignoreState(file)) output.note("Added .stowage/ to .gitignore.");
    }
    return withWorkspace(flags, output, async (workspace) => {
      const { locations, settings } = workspace.config;
      const names = locations.map(({ name }) => name);
      for (const name of flags.adopt ?? []) if (!names.includes(name)) throw unknownLocation(name, names);
      await writeSchema(settings.state);
      const results = await adoptAll(workspace, output, { create: flags.create, adopt: new Set(flags.adopt) });
      if (output.json) output.document({ wrote, locations: results });
      else printResults(results, workspace, output);
      const lock = await lockTrouble(workspace);
      if (lock && !output.json) await output.lines(lock.lines(output.text));
      const failed = results.filter((result) => result.outcome === "failed");
      if (failed.length === 0) output.note("Next: `stowage plan` shows what would be done.");
      // A starter's folders need not be there yet: writing it was the point.
      const starting = wrote && failed.every((failure) => "code" in failure && failure.code === "ROOT_MISSING");
      return (failed.length === 0 || starting) && !lock ? ExitCode.ok : ExitCode.error;
    });
  }
}

interface Wish {
  create: boolean;
  adopt: ReadonlySet<string>;
}

/** Milliseconds: somebody sits and waits. */
const PATIENCE = 5_000;

async function adoptAll(workspace: Workspace, output: Output, wish: Wish): Promise<(InitResult | Failure)[]> {
  const { expectedUuids } = await import("../../apply/journal-read.js");
  const catalog = await workspace.catalog("write");
  const backends = await workspace.backends(PATIENCE);
  const expected = await expectedUuids(await openJournals(workspace, output), { onDamage: warnOfDamage(output) });
  const results: (InitResult | Failure)[] = [];
  for (const location of workspace.config.locations) {
    const backend = backends.get(location.name);
    if (!backend) continue;
    results.push(await adopt(workspace, catalog, location, backend, backends, wish, expected.get(location.name)));
  }
  return results;
}

async function adopt(
  workspace: Workspace,
  catalog: Catalog,
  location: Location,
  backend: Backend,
  backends: ReadonlyMap<string, Backend>,
  wish: Wish,
  expected: string | undefined,
): Promise<InitResult | Failure> {
  const { initLocation } = await import("../../scan/init.js");
  try {
    return await initLocation(workspace.config, catalog, location, backend, {
      create: wish.create,
      adopt: wish.adopt.has(location.name),
      backends,
      ...(expected === undefined ? {} : { expected }),
    });
  } catch (error) {
    const hint = error instanceof StowageError ? error.hint : undefined;
    const failure: Failure = {
      location: location.name,
      outcome: "failed",
      code: codeOf(error) ?? "ERROR",
      message: messageOf(error),
    };
    return hint === undefined ? failure : { ...failure, hint };
  }
}

function printResults(results: readonly (InitResult | Failure)[], { config }: Workspace, output: Output): void {
  const { paint = (_style, text) => text } = output.text;
  const locations = new Map(config.locations.map((location) => [location.name, location]));
  for (const [index, result] of results.entries()) {
    const location = locations.get(result.location);
    if (result.outcome !== "failed") {
      if (location && !output.quiet) printAdopted(result, location, output, paint);
      continue;
    }
    output.line(`${paint("yellow", "!")} ${printable(result.message)}`);
    // One step for several locations is said once, after the last of them.
    const again = results.slice(index + 1).some((other) => other.outcome === "failed" && other.hint === result.hint);
    if (result.hint && !again) output.line(`  Next: ${printable(result.hint)}`);
  }
}

function printAdopted(result: InitResult, location: Location, output: Output, paint: Paint): void {
  const what = {
    adopted: result.created ? "made and adopted" : "adopted",
    known: "adopted before",
    accepted: "accepted as it is now",
  }[result.outcome];
  output.line(`${paint("green", "✓")} ${location.name}: ${what}, ${printable(location.root)}`);
  if (output.verbose) output.line(`  ${result.uuid}`);
  const width = output.text.width ?? Number.POSITIVE_INFINITY;
  const allowed = location.allowUnconditionalDelete;
  const features = result.features ? featureLines(result.features, { ...output.text, width, allowed }) : [];
  for (const line of features) output.line(result.features?.store ? line : paint("dim", line));
}

const unknownLocation = (name: string, names: readonly string[]): StowageError => {
  const hint = didYouMean(name, names);
  return new StowageError("UNKNOWN_LOCATION", `there is no location "${name}" in storage.yaml`, {
    ...(hint === undefined ? {} : { hint }),
    exit: ExitCode.usage,
  });
};
