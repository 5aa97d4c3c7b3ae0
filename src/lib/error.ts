/** What a user can do about an error, and how a script can tell errors apart. */
export interface ErrorDetails {
  /** The next step, as a sentence: "Run `stowage init`." */
  hint?: string;
  /** The process exit code of a command that ends with this error (see `ExitCode`); 1 where unset. */
  exit?: number;
  cause?: unknown;
}

/** Exit codes of every command; scripts rely on them. */
export const ExitCode = {
  ok: 0,
  error: 1,
  changes: 2,
  blocked: 3,
  incomplete: 4,
  stale: 5,
  integrity: 6,
  locked: 7,
  budget: 8,
  usage: 64,
  interrupted: 130,
} as const;

const BRAND = Symbol.for("stowage.error");

/**
 * The only class of error that stowage throws on purpose: a fact, a stable code, a next step. `instanceof` knows those of other copies of
 * stowage in the same process too, as a plug-in may have one.
 */
export class StowageError extends Error {
  override readonly name = "StowageError";
  readonly [BRAND] = true;
  readonly code: string;
  readonly hint: string | undefined;
  readonly exit: number;

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
    this.exit = details.exit ?? ExitCode.error;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && BRAND in value;
  }
}

/** The `errno` name of a Node system error (`ENOENT`), or a `StowageError`'s code; undefined for anything else. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** What an error says. `about` is left out at its beginning, for where that is said already. */
export function messageOf(error: unknown, about?: string): string {
  const message = error instanceof Error ? error.message : String(error);
  return about !== undefined && message.startsWith(`${about}: `) ? message.slice(about.length + 2) : message;
}

/** Ends an exhaustive switch: adding a variant breaks the build here. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value: ${JSON.stringify(value)}`);
}
