import { codeOf, messageOf, StowageError } from "../../lib/error.js";
import { sha256Hex } from "../../lib/json.js";
import type { Condition, ObjectStore, Stored, Upload } from "../store.js";
import { aborted, type Bucket, temporaryName } from "./bucket.js";
import { recorder } from "./parts.js";
import { publish } from "./publish.js";
import { contentOf } from "./read.js";
import { small } from "./upload.js";

/** Where things are tried: throw-away objects under names that nobody else uses. */
export interface Ground {
  store: ObjectStore;
  prefix: string;
  /** The name of a throw-away object; it is removed in the end. */
  name(rest: string): string;
  upload(text: string, more?: Partial<Upload>): Upload;
  /** As `publish`: undefined when it was refused. */
  put(name: string, text: string, condition?: Condition, more?: Partial<Upload>): Promise<Stored | undefined>;
  /** An object that was written anew since it had the token `stale`. */
  rewritten(rest: string, texts: readonly [string, string]): Promise<{ name: string; stale: string; token: string }>;
  /** What is there, whoever wrote it; undefined for nothing. */
  text(name: string): Promise<string | undefined>;
  /** True when it throws this code and nothing else happens. */
  refuses(code: string, body: () => Promise<unknown>): Promise<boolean>;
  /** False when it throws, but for the errors after which nothing is known; those say what was being done. */
  during<T>(what: string, body: () => Promise<T>): Promise<T>;
  honoured(what: string, body: () => Promise<boolean>): Promise<boolean>;
  clear(): Promise<void>;
}

const PROBE = "probe-";
/** A probe does not take that long: what is older was left by one that was killed. */
const LEFT_BEHIND = 3600_000;

/** `run`: whose temporaries these are, so that they go with it when it is killed. */
export function openGround(bucket: Bucket, id: string, signal: AbortSignal | undefined, run?: string): Ground {
  const { store } = bucket;
  const used = new Set<string>();
  const prefix = run === undefined ? temporaryName(bucket, PROBE + id) : temporaryName(bucket, run, `${PROBE}${id}/`);
  const upload = (text: string, more: Partial<Upload> = {}): Upload => {
    if (signal?.aborted) throw aborted();
    const bytes = Buffer.from(text);
    return { ...small(bucket, bytes, sha256Hex(bytes)), ...(signal && { signal }), ...more };
  };
  let clock = 0;
  const put: Ground["put"] = async (name, text, condition = { absent: true }, more = {}) => {
    const sent = upload(text, more);
    const parts = recorder(bucket, PROBE + id, name, sent);
    let stored: Stored | undefined;
    try {
      stored = await publish(bucket, name, { ...sent, onParts: parts.onParts }, condition);
    } finally {
      await parts.over(stored !== undefined);
    }
    clock = Math.max(clock, stored?.modified ?? 0);
    return stored;
  };
  const name = (rest: string): string => {
    used.add(prefix + rest);
    return prefix + rest;
  };
  return {
    store,
    prefix,
    name,
    upload,
    put,
    rewritten: async (rest, [first, second]) => {
      const stale = await put(name(rest), first);
      await store.discard(name(rest));
      const now = await put(name(rest), second);
      if (!stale || !now) throw new StowageError("PRECONDITION", `${rest} was refused where there was nothing`);
      return { name: name(rest), stale: stale.token, token: now.token };
    },
    text: (object) => contentOf(bucket, object),
    refuses,
    during: (what, body) => during(bucket, what, body),
    honoured: (what, body) => during(bucket, what, () => honoured(body)),
    clear: () => clear(bucket, used, run === undefined ? clock - LEFT_BEHIND : undefined),
  };
}

async function refuses(code: string, body: () => Promise<unknown>): Promise<boolean> {
  try {
    await body();
    return false;
  } catch (error) {
    if (codeOf(error) === code) return true;
    throw error;
  }
}

/** After these nothing is known of the store. */
const UNKNOWN = new Set(["UNAVAILABLE", "ACCESS_DENIED", "READ_ONLY", "OUT_OF_SPACE", "ABORTED"]);

async function honoured(body: () => Promise<boolean>): Promise<boolean> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof StowageError) || UNKNOWN.has(error.code)) throw error;
    return false;
  }
}

async function during<T>({ location, prefix }: Bucket, what: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    const code = codeOf(error);
    if (!(error instanceof StowageError) || code === undefined || !UNKNOWN.has(code) || code === "ABORTED") throw error;
    const permissions = `Probing reads, writes, lists and removes objects below ${prefix}.stowage-tmp/: its credentials need the permissions for that.`;
    const hint = code === "ACCESS_DENIED" ? permissions : error.hint;
    throw new StowageError(
      code,
      `${location}: trying out the store stopped at ${what}: ${messageOf(error, location)}`,
      {
        ...(hint !== undefined && { hint }),
        cause: error,
      },
    );
  }
}

/** Removes what this probe wrote, listed or not, and, unless it is a run's, what others left `before`, by the clock of the store. */
async function clear(bucket: Bucket, used: ReadonlySet<string>, before: number | undefined): Promise<void> {
  const { store } = bucket;
  const left = new Set(used);
  if (before !== undefined) {
    for await (const page of store.list(temporaryName(bucket, PROBE).slice(0, -1))) {
      for (const { name, modified } of page) if (modified < before) left.add(name);
    }
  }
  const discard = (name: string) =>
    store.discard(name).catch((error: unknown) => {
      if (codeOf(error) !== "NOT_FOUND") throw error;
    });
  const failed = (await Promise.allSettled([...left].map(discard))).find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}
