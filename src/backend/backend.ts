import type { Leftover } from "./leftover.js";
import type { LocalFile } from "./local-file.js";
import type { Register, Shelf } from "./shared.js";

export type { Leftover } from "./leftover.js";

/**
 * The contract of every kind of storage. A backend is a location, opened. It knows bytes and names; it knows no rule, no plan and no catalog.
 * Every method may throw a `StowageError` with one of these codes:
 * - `UNAVAILABLE` the storage does not answer, its root, bucket or marker is missing, an I/O error: try again later
 * - `ACCESS_DENIED`, `READ_ONLY` (the whole storage), `OUT_OF_SPACE` (also quota), `NOT_FOUND` (only when the storage said so), `UNSUPPORTED_NAME`
 * - `PRECONDITION` the object is not the one the caller described: exists already, changed, replaced; `SAME_STORAGE` it is the only name of what vouches for it
 * - `CORRUPT` the bytes that were read or handed in have another hash than they should; `READ_BACK` what was just written reads back otherwise, and was not published
 * - `ARCHIVED` the object lies in a class that can not be read before it is restored; `APPEND_ONLY` the store does not honour what a safe removal needs, and the owner has not allowed it without
 * - `ABORTED` the caller's signal fired. An error is never turned into "not found" or an empty listing.
 */
export interface Backend {
  readonly location: string;
  /** What is known by now; `probe` changes this very object. */
  readonly features: Features;
  /** Absolute path, when the objects are plain local files below it: lets scanning read them in worker threads. */
  readonly root?: string;
  /** Between two backends with equal providers the store itself can copy: `WriteSource.object`. */
  readonly provider?: string;
  /** It tries again by itself, settles lost answers by looking (I6), and rests when the store is down. */
  readonly resilient?: boolean;

  /** The object as the store itself knows it, for a copy within one provider. */
  objectOf?(key: string, version: string): StoreObject;
  /** Tries on throw-away objects what the store really honours, and leaves nothing behind. */
  probe?(signal?: AbortSignal): Promise<Features>;
  /** The labels that were put on the object from outside: of a key and a value, `key` or `key=value`. */
  tags?(key: string): Promise<string[]>;
  /** A link that lets anybody read (or create) this one object until it expires; milliseconds. */
  presign?(key: string, options: { method: "GET" | "PUT"; expires: number }): Promise<string>;
  /** What has to be sent along with what is uploaded by a link. */
  readonly linkHeaders?: Readonly<Record<string, string>>;
  /** From now on `told` hears of everything that a resilient backend tries again, and nobody else does. */
  onRetry?(told: (retry: Retry) => void): void;
  /** Milliseconds for which the location rests because the store does not answer; 0 = it can be asked. */
  pausedFor?(): number;
  /** Whatever waits for a store that does not answer fails now. */
  giveUp?(): void;
  /** It is known, by the way it creates or because this process saw it, that creating refuses a taken name and leaves what is there: nobody has to look before. Never fails. */
  refusesTaken?(run?: string): Promise<boolean>;

  /** The UUID in the location's marker; undefined when the root is there but holds no marker. Throws `UNAVAILABLE` when the root is missing. */
  marker(): Promise<string | undefined>;
  /** Writes the marker, create-only; `replace` overwrites another UUID. Never creates the root. */
  writeMarker(uuid: string, options?: { replace?: boolean }): Promise<void>;
  /** Something that is equal for two locations exactly when they are the same place (local: device and inode of the root). */
  identity(): Promise<string>;

  /** Every object below the root but stowage's own files, in no particular order. A listing that could not be completed throws. */
  list(options?: ListOptions): AsyncIterable<Entry>;
  /** The object now, or undefined when the storage says there is none. */
  stat(key: string): Promise<Entry | undefined>;
  /**
   * The bytes of the object described by `version`. Throws `PRECONDITION` when it is not that version at the start or,
   * where the storage does not hold on to what is being read, is not any more at the end: a completed iteration is one consistent version. A piece is only valid until the
   * next one is asked for.
   */
  read(key: string, options?: ReadOptions): AsyncIterable<Uint8Array>;
  /**
   * Creates `key` from `source` and returns it as published. Never replaces: throws `PRECONDITION` when the key is taken.
   * The bytes are hashed in flight and, where the storage can, read back before publishing; with another hash than
   * `sha256` nothing is published and `CORRUPT` is thrown. Durable when it returns. Never creates the root.
   */
  write(key: string, source: WriteSource): Promise<Entry>;
  /**
   * Removes the object only while it is the given version; throws `PRECONDITION` and leaves it otherwise. With `trash`
   * the bytes stay in the location's trash under that run. Durable when it returns. NOT_FOUND when there is none.
   * The last look at the witnesses belongs to the caller: `confirm` runs after the object was secured and before it is
   * gone for good; if it throws, the object is put back (never over another) and the error passed on.
   */
  remove(key: string, options: RemoveOptions): Promise<void>;

  /** Where the machines that share the location tell each other who applies; and where they leave copies of their journals. */
  readonly register?: Register;
  readonly journals?: Shelf;

  /**
   * Makes durable what lies under the key now, whoever wrote it: another process may have died, or still be at work, before it made its
   * file durable. Undefined where all that can be seen is durable. NOT_FOUND when there is none.
   */
  settle?(key: string): Promise<void>;

  /** A run is over: removes what the storage needed for it and does not need any more, until the signal fires. Never fails. */
  tidy?(run: string, signal?: AbortSignal): Promise<void>;

  /** Bytes of the device; undefined where the storage has no such notion. */
  space(): Promise<{ total: number; free: number } | undefined>;
  /** Trash and temporaries of earlier runs, the oldest run first. */
  leftovers(): AsyncIterable<Leftover>;
  /** Deletes one leftover for good. */
  purge(leftover: Leftover): Promise<void>;
  /** What a run that is over had taken the name of, unconfirmed, gets it back, never over another. Returns what stays: its name is taken, or `unnamed`. */
  restore?(run: string): Promise<Leftover[]>;
  close(): Promise<void>;
}

export interface Entry {
  key: string;
  size: number;
  /** Nanoseconds since the epoch. */
  mtime: bigint;
  /** Opaque, equal exactly when the object has not been written since. */
  version: string;
  /** Equal for two names of the same bytes (hard links); undefined where there is no such thing. */
  physical?: string;
  /** Lower-case hex, when the storage itself proves it: it has computed or checked a checksum over the whole object. */
  sha256?: string;
  /** Lower-case hex that whoever wrote the object noted on it: good for planning, never a proof. */
  claim?: string;
  /** The name of the class it is stored in, where the store has such. */
  storageClass?: string;
  /** It can not be read now; how it would be brought back, as a sentence. */
  archived?: string;
  /** Metadata that was put on the object from outside, without stowage's own. */
  attrs?: Record<string, string>;
  /** What `write` returns: the backend has read the stored bytes again by itself, and they have the hash. */
  readBack?: true;
  /** What `write` returns: it is a second name of the source itself, see `WriteSource.file`. */
  second?: true;
  /** Empty, and there to hold the name for an upload that is under way, or was when it was killed. */
  held?: true;
  /** Of a listing that knows size and version only: `stat` tells the rest. */
  partial?: true;
}

/** One more attempt that is to come. */
export interface Retry {
  location: string;
  code: string;
  message: string;
  /** The attempt that failed, from 1. */
  attempt: number;
  /** Milliseconds until the next attempt. */
  delay: number;
}

/** An object in the terms of its store. */
export interface StoreObject {
  /** The full name in its bucket. */
  name: string;
  /** The address of its bucket, see `ObjectStore.address`. */
  bucket: string;
  token: string;
}

export interface ListOptions {
  signal?: AbortSignal;
  /** Told of what lies there but is no object: symbolic links, special files, names that are not valid Unicode. */
  onSkip?: (name: string, why: "symlink" | "special" | "name") => void;
}

export interface ReadOptions {
  version?: string;
  /** From this byte on; 0 where unset. */
  start?: number;
  signal?: AbortSignal;
}

export interface WriteSource {
  /** What the bytes must hash to; lower-case hex. */
  sha256: string;
  size: number;
  /** Kept on the new object; nanoseconds since the epoch. */
  mtime: bigint;
  bytes(): AsyncIterable<Uint8Array>;
  /** A path of a local file with these bytes, for copies inside one file system; the hash is proven all the same. */
  path?: string | undefined;
  /** The same bytes in the same provider (`Backend.provider`): the store may copy them itself. Their hash is not proven by that. */
  object?: StoreObject | undefined;
  file?: LocalFile | undefined;
  /** Names the run, for its temporaries. */
  run?: string | undefined;
  /** True for runs of ours that are over: an empty object that one of them left to hold the name gives way, when its record proves that. */
  isOver?: (run: string) => boolean;
  /** Runs when the bytes are stored and proven and only publishing is left; if it throws, nothing is published. */
  confirm?: (() => Promise<void>) | undefined;
  signal?: AbortSignal;
  /** Called with the number of bytes of each piece that was moved. */
  onBytes?: (count: number) => void;
  /** An answer was lost, and the bytes were found there: somebody else may have written them, without this source. */
  onFound?: () => void;
  /** Called before the write returns when `file` was read to its end as that version, and not by `bytes`. */
  onWhole?: () => void;
}

export interface RemoveOptions {
  version: string;
  /** Names the run, for the trash. */
  run: string;
  /** Keep the bytes in the trash (true) or let them go (false). */
  trash: boolean;
  confirm: () => Promise<void>;
  /** What vouches is another name of the very file: this one goes only if there is another, and what version that has by then is told. */
  otherName?: (version: string) => void;
}

/** What the storage can do, as far as it was probed; undefined = not probed, which counts as no. */
export interface Features {
  /** Two keys that differ in case only are one object. */
  foldsCase: boolean;
  /** Two keys that are equal after NFC are one object. */
  foldsUnicode: boolean;
  hardLinks: boolean;
  /** Granularity of timestamps in nanoseconds. */
  mtimeGranularity: number;
  /** Longest name of one path segment, in bytes. */
  maxNameBytes: number;
  /** Longest key, in bytes, where there is such a limit. */
  maxKeyBytes?: number;
  /** What `write` returns was read again from the storage before it was published. */
  readsBack: boolean;
  /** Of an object store; undefined before it is probed, and for directories, which need no conditions. */
  store?: StoreFeatures;
  /** The store that was probed (`ObjectStore.address`): of another one that a location of this name leads to by now `store` says nothing. */
  probed?: string;
}

/** What an object store was seen to honour. Stores ignore conditions silently, so each is tried. */
export interface StoreFeatures {
  /** Creating refuses a name that is taken, and leaves what is there. */
  createOnly: boolean;
  /** The same for objects that are uploaded in parts. */
  createOnlyParts: boolean;
  /** Of many that create one name at once exactly one succeeds. */
  oneWinner: boolean;
  /** Replacing under the wrong token is refused, under the right one it is done. */
  conditionalReplace: boolean;
  /** Removing under the wrong token is refused and removes nothing; under the right one it is done. */
  conditionalRemove: boolean;
  /** Reading under the wrong token is refused. */
  conditionalRead: boolean;
  /** What was written is in the next listing, what was removed is not. */
  listAfterWrite: boolean;
  /** Server-side copies honour the token of the source, and refuse a name that is taken. */
  conditionalCopy: boolean;
  /** Bytes that do not have the declared checksum are refused. */
  checksums: boolean;
  /** Removed and replaced objects stay as older versions. */
  versioned: boolean;
}

/** True when objects can be removed from the store without the risk of removing others. */
export const removesSafely = (
  seen: Pick<StoreFeatures, "createOnly" | "conditionalRemove" | "listAfterWrite">,
): boolean => seen.createOnly && seen.conditionalRemove && seen.listAfterWrite;
