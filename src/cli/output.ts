import process from "node:process";
import { createInterface } from "node:readline/promises";
import { ExitCode, StowageError } from "../lib/error.js";
import { printable } from "../lib/key.js";
import { coloured, type Paint, plain, type TextOptions } from "../report/format.js";
import { jsonDocument, jsonLine } from "../report/json.js";
import { openProgress, type Progress } from "../report/progress.js";

/** The flags that every command has. */
export interface OutputFlags {
  json: boolean;
  "no-color": boolean;
  "no-progress": boolean;
  quiet: boolean;
  verbose: boolean;
}

/** Where a command says things: results on stdout, everything else on stderr. */
export interface Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** How text on stdout is to look. */
  readonly text: TextOptions;
  /** How text on stderr is to look. */
  readonly paintError: Paint;
  /** True when there is somebody to ask. */
  readonly interactive: boolean;
  readonly progress: Progress;
  /** True once the reader of stdout has gone away: there is no use in printing more. */
  readonly closed: boolean;
  lines(lines: Iterable<string> | AsyncIterable<string>): Promise<void>;
  line(text: string): void;
  write(text: string): void;
  /** The one JSON document of a command. */
  document(value: unknown): void;
  /** One line of NDJSON. */
  event(value: unknown): void;
  /** A line of NDJSON about work under way: at most one a second for each `about`, and every end of a phase. */
  progressEvent(about: string, value: { phase?: string }): void;
  /** Diagnostics on stderr; nothing with `-q`. */
  note(text: string): void;
  /** A warning on stderr, also with `-q`. */
  warn(text: string): void;
  /** Asks on stderr and returns the answer; empty at the end of input. */
  ask(question: string): Promise<string>;
}

let stdoutClosed = false;
let incomplete = false;

/** A reader that goes away (`| head`) ends the output, not the work; nor does a full disk, but that is said and fails the command. */
export function outliveOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    // oclif's own listener would end the process with a stack trace.
    stream.removeAllListeners("error");
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (stream === process.stdout) stdoutClosed = true;
      if (error.code === "EPIPE" || incomplete) return;
      incomplete = true;
      // The last words of a command may fail after it has ended.
      process.exitCode = exitOf(process.exitCode);
      if (stream === process.stderr) return;
      const failure = new StowageError("OUTPUT_FAILED", `the output could not be written: ${error.message}`, {
        hint: "Make room, or send the output elsewhere; what the command did besides printing is done.",
      });
      process.stderr.write(`${errorLines(failure, plain).join("\n")}\n`);
    });
  }
}

/** The exit code, when all could be printed; else at least 1. */
export const exitOf = (code: typeof process.exitCode): typeof process.exitCode =>
  incomplete && (code === undefined || code === ExitCode.ok) ? ExitCode.error : code;

/** Whether text on this stream may be coloured. */
export function mayColour(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  if (env["NO_COLOR"]) return false;
  if (env["FORCE_COLOR"] !== undefined) return env["FORCE_COLOR"] !== "0";
  return stream.isTTY === true && env["TERM"] !== "dumb";
}

const EVENT_INTERVAL = 1_000;

export function openOutput(flags: OutputFlags): Output {
  if (flags["no-color"]) process.env["NO_COLOR"] = "1";
  const paint = mayColour(process.stdout, process.env) ? coloured : plain;
  const write = (text: string): void => {
    if (!stdoutClosed) process.stdout.write(text);
  };
  const live = process.stderr.isTTY === true && process.env["TERM"] !== "dumb";
  const progress = openProgress({
    style: flags["no-progress"] || flags.quiet ? "none" : live ? "live" : "lines",
    stream: process.stderr,
    clock: Date.now,
  });
  return {
    json: flags.json,
    quiet: flags.quiet,
    verbose: flags.verbose,
    text: { paint, verbose: flags.verbose, ...(process.stdout.isTTY ? { width: process.stdout.columns || 80 } : {}) },
    paintError: mayColour(process.stderr, process.env) ? coloured : plain,
    interactive: process.stdin.isTTY === true && process.stderr.isTTY === true,
    progress,
    get closed() {
      return stdoutClosed;
    },
    write,
    line: (text) => write(`${text}\n`),
    async lines(lines) {
      for await (const line of lines) {
        if (stdoutClosed) return;
        write(`${line}\n`);
      }
    },
    document: (value) => write(`${jsonDocument(value)}\n`),
    event: (value) => write(`${jsonLine(value)}\n`),
    progressEvent: throttled((value) => write(`${jsonLine(value)}\n`)),
    note(text) {
      if (!flags.quiet) progress.note(text);
    },
    warn: (text) => progress.note(`Warning: ${text}`),
    ask,
  };
}

/** At most one event a second about one thing, but every beginning of a phase and every end. */
function throttled(print: (value: unknown) => void): Output["progressEvent"] {
  const told = new Map<string, { at: number; phase: string | undefined }>();
  return (about, value) => {
    const now = Date.now();
    const last = told.get(about);
    if (last && last.phase === value.phase && value.phase !== "done" && now - last.at < EVENT_INTERVAL) return;
    told.set(about, { at: now, phase: value.phase });
    print(value);
  };
}

async function ask(question: string): Promise<string> {
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await new Promise<string>((resolve, reject) => {
      reader.once("SIGINT", () =>
        reject(new StowageError("INTERRUPTED", "interrupted", { exit: ExitCode.interrupted })),
      );
      reader.once("close", () => resolve(""));
      reader.question(question).then(resolve, reject);
    });
  } finally {
    reader.close();
  }
}

/** `Error: fact`, its code and the next step, as a person reads it. */
export function errorLines(error: StowageError, paint: Paint): string[] {
  const [first = "", ...rest] = error.message.split("\n").map(printable);
  const lines = [`${paint("red", "Error:")} ${first}`, ...rest];
  lines.push(paint("dim", `  Code: ${error.code}`));
  if (error.hint) lines.push(`  Next: ${printable(error.hint)}`);
  return lines;
}

export const errorDocument = (error: StowageError): unknown => ({
  error: {
    code: error.code,
    message: error.message,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    exit: error.exit,
  },
});
