import process from "node:process";
import { fileURLToPath } from "node:url";
import { Config, Help } from "@oclif/core";
import { suggest } from "../config/suggest.js";
import { codeOf, ExitCode, messageOf, StowageError } from "../lib/error.js";
import { coloured, plain } from "../report/format.js";
import { jsonLine } from "../report/json.js";
import { COMMANDS } from "./index.js";
import { errorDocument, errorLines, exitOf, mayColour, outliveOutput } from "./output.js";
import { rootHelp } from "./root-help.js";

/**
 * Runs one command line and sets the exit code; never throws. Errors go to stderr as text, with `--json` to stdout as
 * `{"error":{"code","message","hint","exit"}}`.
 */
export async function main(argv: readonly string[], url: string): Promise<void> {
  outliveOutput();
  // The AWS SDK would print on every Node 20 that it will want a newer one.
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";
  try {
    process.exitCode = exitOf(await dispatch([...argv], url));
  } catch (error) {
    process.exitCode = report(asStowageError(error, argv), error, argv);
    // What an error left open must not keep the process, when all is said.
    setTimeout(() => process.exit(), LINGER).unref();
  }
}

/** Milliseconds for what was said to be taken. */
const LINGER = 5_000;

async function dispatch(argv: string[], url: string): Promise<number> {
  const config = await Config.load(fileURLToPath(url));
  const words = argv[0] === "help" ? [...argv.slice(1), "--help"] : argv;
  if (words[0] === "--version") {
    process.stdout.write(`${config.name} ${config.version} (node ${process.versions.node})\n`);
    return ExitCode.ok;
  }
  const found = commandOf(words);
  if (!found) {
    process.stdout.write(rootHelp(COMMANDS, config.version));
    return ExitCode.ok;
  }
  if (wantsHelp(found.rest)) {
    await new Help(config).showHelp(found.id.split(" "));
    return ExitCode.ok;
  }
  const command = COMMANDS[found.id.replaceAll(" ", ":")];
  return ((await command?.run(found.rest, config)) as number | undefined) ?? ExitCode.ok;
}

const wantsHelp = (argv: readonly string[]): boolean => {
  const end = argv.indexOf("--");
  return (end < 0 ? argv : argv.slice(0, end)).some((word) => word === "--help" || word === "-h");
};

/** The command that the words begin with; undefined when they ask for the overview. */
function commandOf(words: readonly string[]): { id: string; rest: string[] } | undefined {
  const [first, second] = words;
  if (first === undefined || first === "--help" || first === "-h") return undefined;
  if (second !== undefined && COMMANDS[`${first}:${second}`]) {
    return { id: `${first} ${second}`, rest: words.slice(2) };
  }
  if (COMMANDS[first]) return { id: first, rest: words.slice(1) };
  const ids = Object.keys(COMMANDS).map((id) => id.replace(":", " "));
  const topic = ids.filter((id) => id.startsWith(`${first} `));
  if (topic.length > 0) {
    if (second === undefined || wantsHelp(words)) return undefined;
    throw unknownCommand(`${first} ${second}`, suggest(`${first} ${second}`, topic) ?? topic.join("` or `stowage "));
  }
  if (first.startsWith("-")) throw optionFirst(first, words);
  throw unknownCommand(first, suggest(first, ids));
}

const unknownCommand = (word: string, meant: string | undefined): StowageError =>
  new StowageError("UNKNOWN_COMMAND", `there is no command "${word}"`, {
    hint: meant ? `Did you mean \`stowage ${meant}\`?` : "Run `stowage --help` for the list of commands.",
    exit: ExitCode.usage,
  });

function optionFirst(option: string, words: readonly string[]): StowageError {
  const id = words.find((word) => COMMANDS[word]) ?? "COMMAND";
  return new StowageError("USAGE", `options come after the command, but "${option}" is before it`, {
    hint: `Write \`stowage ${id} ${option}\` and so on; \`stowage --help\` lists the commands.`,
    exit: ExitCode.usage,
  });
}

/** Every error as one with a code and an exit code: those of oclif's parser are usage errors, unknown ones are ours. */
function asStowageError(error: unknown, argv: readonly string[]): StowageError {
  if (error instanceof StowageError) return error;
  if (typeof error === "object" && error !== null && "oclif" in error) return usageError(messageOf(error), error, argv);
  const code = codeOf(error);
  return new StowageError(code ?? "INTERNAL", messageOf(error), {
    hint: "Run it again with STOWAGE_DEBUG=1 to see where it comes from.",
    cause: error,
  });
}

function usageError(text: string, error: object, argv: readonly string[]): StowageError {
  const message = text
    .replace(/\nSee more help with --help$/, "")
    .replace(/ *\n\t/g, ": ")
    .replaceAll("\t", "  ");
  const words = argv.filter((word) => !word.startsWith("-"));
  const id = [words.slice(0, 2).join(":"), words[0] ?? ""].find((each) => COMMANDS[each]) ?? "";
  const help = `Run \`stowage ${id.replace(":", " ")} --help\`.`;
  const unknown = "flags" in error && Array.isArray(error.flags) ? String(error.flags[0]) : undefined;
  const command = COMMANDS[id];
  const known = command ? Object.keys({ ...command.baseFlags, ...command.flags }) : [];
  const meant = unknown ? suggest(unknown.replace(/^-+/, ""), known) : undefined;
  return new StowageError("USAGE", message, {
    hint: meant ? `Did you mean \`--${meant}\`? ${help}` : help,
    exit: ExitCode.usage,
    cause: error,
  });
}

function report(error: StowageError, original: unknown, argv: readonly string[]): number {
  if (process.env["STOWAGE_DEBUG"]) process.stderr.write(`${stackOf(original)}\n`);
  const end = argv.indexOf("--");
  const flags = end < 0 ? argv : argv.slice(0, end);
  if (flags.includes("--json") || /^(1|true|yes|y)$/i.test(process.env["STOWAGE_JSON"] ?? "")) {
    process.stdout.write(`${jsonLine(errorDocument(error))}\n`);
  } else {
    const colour = !flags.includes("--no-color") && mayColour(process.stderr, process.env);
    process.stderr.write(`${errorLines(error, colour ? coloured : plain).join("\n")}\n`);
  }
  return error.exit;
}

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));
