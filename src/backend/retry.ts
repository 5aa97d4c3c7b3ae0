import { setTimeout as sleep } from "node:timers/promises";
import { codeOf, messageOf, StowageError } from "../lib/error.js";
import type { Backend, Entry, RemoveOptions, Retry, WriteSource } from "./backend.js";
import { hashStream } from "./hash-stream.js";

export type { Retry } from "./backend.js";

export interface RetryOptions {
  /** Attempts after the first. */
  retries: number;
  signal?: AbortSignal;
  onRetry?: (retry: Retry) => void;
  /** Longest first pause, in milliseconds; it doubles with each attempt, up to 30 s. */
  base?: number;
}

/** What may be better in a moment. Everything else is an answer. */
export const isTransient = (error: unknown): boolean => codeOf(error) === "UNAVAILABLE";

/** How often a reader tries again: a resilient backend has done it before it throws. */
export const retriesOf = (backend: Backend, options: RetryOptions): RetryOptions =>
  backend.resilient ? { ...options, retries: 0 } : options;

/** Calls again while the error is transient, after a random pause that doubles (full jitter). */
export async function retry<T>(location: string, options: RetryOptions, body: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await body();
    } catch (error) {
      if (!isTransient(error) || attempt > options.retries || options.signal?.aborted) throw error;
      await pause(location, options, error, attempt);
    }
  }
}

async function pause(location: string, options: RetryOptions, error: unknown, attempt: number): Promise<void> {
  const delay = Math.random() * Math.min(30_000, (options.base ?? 200) * 2 ** (attempt - 1));
  options.onRetry?.({ location, code: codeOf(error) ?? "", message: messageOf(error), attempt, delay });
  await sleep(delay, undefined, options.signal && { signal: options.signal }).catch((cause: unknown) => {
    throw new StowageError("ABORTED", "stopped on request", { cause });
  });
}

/**
 * The same backend, trying again after transient errors. Writing and removing are never simply repeated: their outcome may
 * only have been lost on the way, so what the storage holds is looked at first (I6). Reading is left to the reader, who has to
 * start over. A backend that is resilient by itself stays as it is, and its attempts are told.
 */
export function retrying(backend: Backend, options: RetryOptions): Backend {
  if (backend.resilient) {
    if (options.onRetry) backend.onRetry?.(options.onRetry);
    return backend;
  }
  const again = <T>(body: () => Promise<T>): Promise<T> => retry(backend.location, options, body);
  return {
    ...backend,
    marker: () => again(() => backend.marker()),
    identity: () => again(() => backend.identity()),
    stat: (key) => again(() => backend.stat(key)),
    space: () => again(() => backend.space()),
    write: (key, source) => writeAgain(backend, options, key, source),
    remove: (key, removing) => removeAgain(backend, options, key, removing),
  };
}

async function writeAgain(backend: Backend, options: RetryOptions, key: string, source: WriteSource): Promise<Entry> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await backend.write(key, source);
    } catch (error) {
      if (!isTransient(error) || attempt > options.retries) throw error;
      await pause(backend.location, options, error, attempt);
      const there = await retry(backend.location, options, () => backend.stat(key));
      if (!there) continue;
      if (there.size === source.size && (await holds(backend, there, source.sha256))) {
        // The error may have come before it was durable.
        await backend.settle?.(key);
        source.onFound?.();
        return there;
      }
      throw new StowageError("PRECONDITION", `${backend.location}:${key} holds other bytes by now`, { cause: error });
    }
  }
}

async function holds(backend: Backend, entry: Entry, sha256: string): Promise<boolean> {
  return (await hashStream(backend.read(entry.key, { version: entry.version }))) === sha256;
}

async function removeAgain(
  backend: Backend,
  options: RetryOptions,
  key: string,
  removing: RemoveOptions,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    let confirmed = false;
    const confirm = async () => {
      await removing.confirm();
      confirmed = true;
    };
    try {
      return await backend.remove(key, { ...removing, confirm });
    } catch (error) {
      if (!isTransient(error) || attempt > options.retries) throw error;
      await pause(backend.location, options, error, attempt);
      const there = await retry(backend.location, options, () => backend.stat(key));
      if (!there && confirmed) return;
      if (there?.version !== removing.version) throw error;
    }
  }
}
