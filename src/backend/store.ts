import type { StoreObject } from "./backend.js";

/**
 * A bucket: whole names, bytes and conditions. It knows no location, no key, no run and no trash; `bucketBackend` makes a
 * `Backend` of it. Each provider is one implementation of this. Its methods do what they say with as few requests as can be and
 * never look first to make up for a condition that the provider ignores: what is honoured is found out by probing.
 *
 * Every method throws the codes of the backend contract, and sends its requests through `Requests`, which tries transient
 * errors again. A bucket that does not exist is `UNAVAILABLE`, never an absent object.
 */
export interface ObjectStore {
  /** `s3://host/bucket`, `gs://bucket`, …: equal for two stores exactly when they are one bucket. Holds no secret. */
  readonly address: string;
  /** Equal for stores between which `copy` works (same service, same credentials); undefined where there is no such thing. */
  readonly provider?: string;
  /** Longest name, in bytes of UTF-8. */
  readonly maxNameBytes: number;
  /** A listing tells all that `head` tells. */
  readonly listsMetadata: boolean;
  /** How rclone writes `mtime` for this provider; the core formats it so. Seconds with up to nine decimals where unset. */
  readonly mtimeFormat?: "seconds" | "rfc3339";
  /**
   * The SHA-256 that `head`, `list` and `copy` tell is one that the store itself has computed. Where it is not, only what `put` returns is a proof, for it
   * has sent the bytes: what is noted in metadata, and be it beside checksums that fit, anybody can have noted.
   */
  readonly computesSha256?: boolean;
  /** A request is signed together with the hash of its bytes: a store that checks signatures takes no others. Whether it does is found out by trying. */
  readonly signsBytes?: boolean;
  /** Removed and replaced objects stay as older versions; found out by asking, once. */
  versioned(): Promise<boolean>;

  /** The object now; undefined only when the store said that there is none under this name. */
  head(name: string, signal?: AbortSignal): Promise<Stored | undefined>;
  /** Every object whose name begins with `prefix`, in pages, in no particular order, none twice, in parallel where that pays. Throws when it can not be completed. */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<Stored[]>;
  /**
   * The bytes from `start` on, conditional on the token where one is given (`PRECONDITION`). Throws `NOT_FOUND`, `ARCHIVED`, and `UNAVAILABLE` when the
   * stream breaks or ends early: it is then asked for again from where it broke. Never asked from the end of an object on.
   */
  read(name: string, options: ReadRequest): AsyncIterable<Uint8Array>;
  /** Stores the bytes under `name` when the condition holds at the moment they become visible; else `PRECONDITION` and nothing is changed. All or nothing. */
  put(name: string, upload: Upload, condition: Condition): Promise<Stored>;
  /** Creates `name` from an object of the same provider, conditional on its token and on `name` being free. Metadata is that of `upload`. */
  copy?(from: StoreObject, name: string, upload: Omit<Upload, "bytes" | "whole">): Promise<Stored>;
  /** Removes the object while it has the token: `PRECONDITION` otherwise, `NOT_FOUND` where there is none. Never removes another version for good. */
  remove(name: string, token: string): Promise<void>;
  /** Removes whatever is there, for the owner's word that this is fine, and for stowage's own throw-away objects. */
  discard(name: string): Promise<void>;
  /** Ends an upload in parts that somebody began and did not finish; no error when there is none. */
  abandon?(name: string, id: string): Promise<void>;
  tags?(name: string): Promise<string[]>;
  /** What has to be sent along with what is uploaded by a link. */
  readonly linkHeaders?: Readonly<Record<string, string>>;
  presign?(name: string, options: { method: "GET" | "PUT"; expires: number }): Promise<string>;
  close(): Promise<void>;
}

/** An object as the store describes it. */
export interface Stored {
  name: string;
  size: number;
  /** Opaque; equal exactly when it is the same write of the object. The same text in a listing, from `head` and from `put`. */
  token: string;
  /** When the store got it; milliseconds since the epoch. */
  modified: number;
  /** All metadata of the object, keys in lower case; undefined when it comes from a listing that does not tell. */
  metadata?: Record<string, string>;
  /** Lower-case hex, when the store has computed or checked it over the whole object. */
  sha256?: string;
  storageClass?: string;
  /** It can not be read before it is restored; how, as a sentence. */
  archived?: string;
}

export type Condition = { absent: true } | { token: string };

export interface ReadRequest {
  token?: string;
  start?: number;
  signal?: AbortSignal;
}

/** What is to be stored. */
export interface Upload {
  /** Lower-case hex of all bytes: the store is asked to check it, where it can. */
  sha256: string;
  size: number;
  metadata: Record<string, string>;
  /**
   * The bytes from the first on; may be asked for again for another attempt. It holds the last piece back until all of them are proven to have the
   * hash and throws otherwise: then nothing may be published. A piece is only valid until the next one is asked for.
   */
  bytes(): AsyncIterable<Uint8Array>;
  /** All bytes, already proven, where they are few. */
  whole?: Uint8Array;
  /** Told of an upload in parts before its first part is sent, and waited for: so that it can be found and ended after a crash. */
  onParts?: (id: string) => Promise<void>;
  /** Asked before the name that was held for an upload in parts is given back: whether a removal can only hit what is meant. No where unset. */
  mayRelease?: () => Promise<boolean>;
  /** Take parts even where one request would do; for probing. */
  parts?: boolean;
  /** Nothing but `sha256` is to tell the store that the bytes are others; for probing, where bytes are signed as well. */
  unsigned?: boolean;
  /** Told when the store has taken all bytes with one request that was signed for their hash, and has answered. */
  onSigned?: () => void;
  /** The store was seen to refuse a taken name at the end of an upload in parts too; otherwise one request is safer wherever it can hold the object. */
  safeParts?: boolean;
  signal?: AbortSignal;
  /** Only for `copy`: told of the bytes that the store has copied. Those of an upload are counted where they are read. */
  onBytes?: (count: number) => void;
}

/** Names of metadata that stowage itself writes; `mtime` is rclone's. */
export const OWN_METADATA = {
  sha256: "stowage-sha256",
  /** Tells one's own write from another's after a lost answer (I6). */
  upload: "stowage-upload",
  mtime: "mtime",
} as const;
