import process from "node:process";
import { Command, Flags } from "@oclif/core";
import { type Output, type OutputFlags, openOutput } from "./output.js";

const GLOBAL = { helpGroup: "GLOBAL" };

/** What every command shares: the global flags. A command's `run` returns its exit code; `undefined` is 0. */
export abstract class BaseCommand extends Command {
  static override baseFlags = {
    config: Flags.string({
      ...GLOBAL,
      default: "storage.yaml",
      description: "the configuration",
      env: "STOWAGE_CONFIG",
      helpValue: "FILE",
    }),
    json: Flags.boolean({ ...GLOBAL, description: "machine-readable output on stdout", env: "STOWAGE_JSON" }),
    "no-color": Flags.boolean({ ...GLOBAL, description: "no colours (also NO_COLOR)", env: "STOWAGE_NO_COLOR" }),
    "no-progress": Flags.boolean({ ...GLOBAL, description: "no progress on stderr", env: "STOWAGE_NO_PROGRESS" }),
    quiet: Flags.boolean({ ...GLOBAL, char: "q", description: "only results and errors", env: "STOWAGE_QUIET" }),
    verbose: Flags.boolean({ ...GLOBAL, char: "v", description: "lists and names in full", env: "STOWAGE_VERBOSE" }),
  };

  abstract override run(): Promise<number | undefined>;

  protected output(flags: OutputFlags): Output {
    return openOutput(flags);
  }

  /** The environment that `${VARIABLE}` in storage.yaml reads. */
  protected get env(): NodeJS.ProcessEnv {
    return process.env;
  }
}

/** A command's class, as the map of commands holds it. */
export type CommandClass = (new (
  ...args: ConstructorParameters<typeof Command>
) => BaseCommand) &
  Pick<typeof Command, keyof typeof Command>;
