import type { Store } from "./store.js";

export type { AzureStore, GcsStore, PluginStore, S3Store, Store, SupabaseStore } from "./store.js";

/**
 * The meaning of a storage.yaml, after validation, interpolation and the compilation of the seeds' spellings: what the
 * later stages read. Durations are milliseconds, sizes bytes, fractions 0..1, paths absolute.
 */
export interface Config {
  /** Absolute path of the file. */
  file: string;
  /** `sha256:<hex>` of the meaning: comments, key order and formatting do not change it; secrets are not part of it. */
  digest: string;
  settings: Settings;
  safety: Safety;
  locations: Location[];
  /** The rules in the order of evaluation: the explicit ones, then those compiled from per-location `rules:`. */
  rules: Rule[];
  default?: { location: string; line: number };
  require: Requirement[];
  /** The named matchers, for `find`; matchers that use one contain it. */
  sets: NamedSet[];
}

export interface NamedSet {
  name: string;
  line: number;
  match: Matcher;
}

export interface Settings {
  /** Absolute path of the state directory: catalog, journal, lock. */
  state: string;
  /** The location with the lock that is shared with other machines. */
  lock?: string;
  /** The location with copies of the journals. */
  journal?: string;
  /** IANA name; for `{modified:%Y}`. */
  timezone: string;
  transfer: { concurrency: number; retries: number; bandwidth?: Bandwidth };
  /** Files younger than this are still being written. */
  settle: number;
  /** How long a plan may be applied after its `created_at`. */
  planTtl: number;
  /** Bytes of memory for the catalog; undefined = `DEFAULT_MEMORY`. */
  memory?: number;
}

export interface Safety {
  minCopies: number;
  verify: "content" | "checksum";
  /** How long trash is kept; 0 = no trash. */
  trash: number;
  maxDelete: { files: number; percent: number };
  /** 0..1 */
  maxShrink: number;
}

/**
 * How many bytes a second may go to or from locations that are not local: the last entry whose time of the day has come holds, before the
 * first one that of the day before. Times are minutes after midnight in `settings.timezone`; `rate` undefined = unlimited.
 */
export type Bandwidth = { from: number; rate?: number }[];

/** A part of each day, in minutes after midnight in `settings.timezone`; `to` <= `from` = over midnight. */
export interface Window {
  from: number;
  to: number;
}

export type LocationType = "local" | "network" | "s3" | "gcs" | "azure" | "supabase" | "plugin";

export type LocationStatus = "active" | "offline" | "draining" | "retired";

export interface Location {
  name: string;
  type: LocationType;
  /** Absolute path of a directory (`path`, `mount_path`); otherwise the address for people: `s3://bucket/prefix/`. */
  root: string;
  /** Undefined for directories. */
  store?: Store;
  /** When apply may work with it; empty = always. */
  windows: Window[];
  /** The owner's word that objects may be removed where the store does not honour conditions. */
  allowUnconditionalDelete: boolean;
  priority: number;
  purpose: string[];
  /** `{project}/**`: names parts of the key. */
  layout?: Layout;
  capacity: Capacity;
  /** Compiled globs; a key that matches any of them is not part of the location. */
  exclude: Pattern[];
  /** Failure domain; the location's own name where none is written. */
  domain: string;
  readOnly: boolean;
  status: LocationStatus;
  verify?: { every: number; method: "content" | "checksum" };
  /** 1-based line in storage.yaml. */
  line: number;
  /** Position in storage.yaml, from 0: "config order". */
  order: number;
}

export interface Capacity {
  /** Bytes that the location's files may take. */
  max?: number;
  /** What must stay free on the device: bytes, or a fraction of its size. */
  keepFree?: { bytes: number } | { fraction: number };
}

/** A glob compiled to RE2 syntax (which is also safe to give to DuckDB's `regexp_full_match`). */
export interface Pattern {
  glob: string;
  /** Matches a whole NFC key or name, anchored by the reader (`regexp_full_match`). */
  re2: string;
  /** Literal text that every match starts or ends with: a cheap test before the expression. */
  prefix?: string;
  suffix?: string;
}

/** A layout compiled to RE2 with named groups; each group is `project` or an attribute name. */
export interface Layout {
  text: string;
  re2: string;
  captures: string[];
}

export interface Rule {
  name: string;
  /** 1-based line in storage.yaml. */
  line: number;
  match: Matcher;
  action: "keep" | "copy" | "move" | "delete";
  /** Written `from`; undefined = the default of S3. */
  from?: string[];
  /** Destinations in the order written; empty for keep and delete. */
  destination: string[];
  key: Template;
  onConflict: ConflictStrategy;
  place: "key" | "content";
  continue: boolean;
  allowLastCopy: boolean;
}

export type ConflictStrategy = "manual" | "newest" | "largest" | "primary" | "skip" | "rename";

export interface Requirement {
  name: string;
  line: number;
  match: Matcher;
  copies: number;
  domains: number;
}

/** A field of an instance that a matcher looks at. `attr.<name>` is `{ attr: name }`. */
export type TextField = "location" | "project" | "ext" | "media_type" | "type" | "sha256" | { attr: string };
export type NumberField = "size" | "copies" | "stars" | { attr: string };
/** Ages in milliseconds before the plan's clock, instants in milliseconds since the epoch. */
export type AgeField = "age" | "age_here" | "verified";
export type InstantField = "modified" | "accessed";

/**
 * A predicate over one instance. An unknown value makes its leaf false (S11); `not` of it is then true.
 * `source` is the leaf as the user wrote it, for `explain`.
 */
export type Matcher =
  | { op: "all"; of: Matcher[] }
  | { op: "any"; of: Matcher[] }
  | { op: "not"; of: Matcher }
  | { op: "set"; name: string; of: Matcher }
  | { op: "glob"; field: "path" | "name"; pattern: Pattern; source: string }
  /** Text against one pattern (`client-*`, `image/*`); `ext` is compared without its dot, in lower case. */
  | { op: "text"; field: TextField; pattern: Pattern; source: string }
  /** One of the instance's tags matches the pattern. */
  | { op: "tag"; field: "tags"; pattern: Pattern; source: string }
  | { op: "range"; field: NumberField | AgeField | InstantField; range: Range; source: string };

/** Bounds in the field's unit; a missing bound is open. Equality is min = max, both inclusive. */
export interface Range {
  min?: { value: number; inclusive: boolean };
  max?: { value: number; inclusive: boolean };
}

/** A key template, parsed: literal text and fields with their fallbacks. */
export interface Template {
  text: string;
  parts: TemplatePart[];
}

/** Every file keeps its key. */
export const keepsKey = ({ text }: Template): boolean => text === "{path}";

export type TemplatePart = { literal: string } | { field: TemplateField; fallback?: string };

export type TemplateField =
  | { name: "path" | "dir" | "filename" | "stem" | "ext" | "project" | "media_type" | "location" }
  | { name: "sha256"; length: number }
  | { name: "modified"; format: string }
  | { name: "attr"; attr: string };

/** One finding about a storage.yaml. */
export interface Diagnostic {
  severity: "error" | "warning";
  code: string;
  message: string;
  /** What to do next. */
  hint?: string;
  file: string;
  /** 1-based. */
  line: number;
  column: number;
}

/** Offline or retired: neither looked at, read, written nor counted, because the owner says so. */
export const isOutOfUse = ({ status }: Pick<Location, "status">): boolean =>
  status === "offline" || status === "retired";
