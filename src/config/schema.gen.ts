/**
 * What a storage.yaml may contain, before defaults and compilation. Written by `npm run types` from
 * schema/storage.schema.json: change that file, never this one.
 */

export type Bandwidth =
  | {
      [k: string]: Rate;
    }
  | Rate;
/**
 * Bytes a second: a size with `/s`, or `unlimited`. `5MiB/s`
 */
export type Rate = string;
/**
 * A number with a unit: s min h d w mo (30 days) y (365 days). `30d`; a bare 0 is none.
 */
export type Duration = string | number;
/**
 * Bytes as an integer, or a number with a unit: KB MB GB TB PB are powers of 1000, KiB MiB GiB TiB PiB powers of 1024. `1.5GB`
 */
export type Size = string | number;
export type Percent = string;
export type Encryption = Kms | ("sse-s3" | "sse-kms");
/**
 * One glob, or a list of which any may match.
 */
export type Globs = string | Glob[];
/**
 * A glob in rclone's language: a leading `/` anchors at the location's root, otherwise whole path elements are matched from the end; `*` and `?` stop at `/`, `**` crosses it; `{a,b}`, `[a-z]`, `{{regexp}}`; `\` escapes; `dir/` means `dir/**`.
 */
export type Glob = string;
/**
 * A text or a simple glob over the whole value (`client-*`), or a list of which any may match.
 */
export type Texts = string | string[];
/**
 * The places where files live, in order: between equals the first comes first.
 */
export type Locations = LocationEntry[];
/**
 * A value, a comparison (`>30d`, `>=1GB`, `<2MiB`), a range with both ends (`1MB..5MB`), or a list of which any may match.
 *
 * This interface was referenced by `Match`'s JSON-Schema definition
 * via the `patternProperty` "^attr\.[A-Za-z_][A-Za-z0-9_]*$".
 */
export type Comparisons = string | number | (string | number)[];
export type Tags = TagSets | Texts;
/**
 * One name, or a list of names.
 */
export type Names = string | string[];
export type MatchOrList = Match[] | Match;
export type RuleOrDefault = DefaultRule | RuleEntry;
/**
 * What to do with which files; the first rule that matches decides. Ends with `default`, if there is one.
 */
export type Rules = RuleOrDefault[];
/**
 * What must hold for contents; all of it. Copies are added and removals refused until it does.
 */
export type Require = RequirementEntry[];

/**
 * storage.yaml: where files live (locations), where each file should be (rules), and what must hold at every moment (safety, require).
 */
export interface StorageFile {
  /**
   * The version of this language. Default: 1.
   */
  version?: 1;
  settings?: Settings;
  safety?: Safety;
  locations?: Locations;
  sets?: Sets;
  rules?: Rules;
  require?: Require;
  /**
   * Older spelling: everything under one `storage:` key. `stowage fmt` unwraps it.
   */
  storage?: {};
}
/**
 * How stowage works.
 */
export interface Settings {
  /**
   * The folder for the catalog, the journal and the lock; keep it out of git. Relative to this file. Default: `.stowage`.
   */
  state?: string;
  /**
   * The name of a location whose lock `apply` takes too, so that of all machines that share it one applies at a time: an object `.stowage-lock`, taken and renewed under a condition, and taken over from a run that stands still. Needs a store that honours conditions, or a directory. Default: only the lock in `state`, for this folder.
   */
  lock?: string;
  /**
   * The name of a location in which each run leaves a copy of its journal, below `.stowage-journal/`: the audit trail of a machine that is lost. `stowage history --from` reads it. Default: the journal is in `state` only.
   */
  journal?: string;
  /**
   * IANA name of the time zone for `{modified:%Y}`, `windows` and `bandwidth`; ages do not depend on it. Default: UTC.
   */
  timezone?: string;
  transfer?: Transfer;
  settle?: Duration;
  plan_ttl?: Duration;
  memory?: Size;
  /**
   * What the `rules:` under a location do: copy the files there, or move them there. Default: copy.
   */
  placement_action?: "copy" | "move";
}
/**
 * How files are transferred.
 */
export interface Transfer {
  /**
   * Files in transfer at the same time; of small ones, which mostly wait, several count as one. Default: 8.
   */
  concurrency?: number;
  /**
   * How often a transient error is tried again. Default: 5.
   */
  retries?: number;
  bandwidth?: Bandwidth;
}
/**
 * Holds after every step of every plan.
 */
export interface Safety {
  /**
   * Verified copies, in distinct locations, that no step may go below. Default: 1.
   */
  min_copies?: number;
  /**
   * How a copy is proven before its source goes: `content` reads it back, `checksum` trusts the store's own. Default: content.
   */
  verify?: "content" | "checksum";
  trash?: Duration;
  max_delete?: MaxDelete;
  max_shrink?: Percent;
}
/**
 * A plan that deletes more than this is blocked.
 */
export interface MaxDelete {
  /**
   * Deleted files. Default: 500.
   */
  files?: number;
  /**
   * Percent of a location's files; counts from 25 deletes on. Default: 10.
   */
  percent?: number;
}
/**
 * A named place where files live.
 */
export interface LocationEntry {
  /**
   * A unique name; addresses are `name:path/in/location`.
   */
  name: string;
  /**
   * `local`: a directory. `network`: a mounted share (SMB, NFS), which counts as unmounted while its marker is missing. `s3`: a bucket of Amazon S3 or of a store that speaks S3. `gcs`: Google Cloud Storage. `azure`: a container of Azure Blob Storage. `supabase`: a bucket of Supabase Storage. `plugin`: what an installed plug-in offers.
   */
  type: "local" | "network" | "s3" | "gcs" | "azure" | "supabase" | "plugin";
  /**
   * The directory of a local location; `~` is your home, a relative path starts at this file.
   */
  path?: string;
  /**
   * The directory of a network location, inside the mounted share.
   */
  mount_path?: string;
  /**
   * gcs: the project that requests are made for. Default: that of the credentials.
   */
  project?: string;
  /**
   * azure: the storage account.
   */
  account?: string;
  /**
   * supabase: the address of the project.
   */
  url?: string;
  /**
   * s3, gcs, supabase: the bucket. It must exist; stowage makes none.
   */
  bucket?: string;
  /**
   * azure: the container. It must exist; stowage makes none.
   */
  container?: string;
  /**
   * plugin: the name under which an installed plug-in offers its backend.
   */
  use?: string;
  /**
   * The part of the bucket that is this location: what its objects' names start with. A `/` at the end is added. Default: the whole bucket.
   */
  prefix?: string;
  /**
   * s3: the bucket's region. Default: that of the SDK's own configuration.
   */
  region?: string;
  /**
   * s3, gcs, azure: the address of a store that is not the provider's own. No user names, keys or tokens in it.
   */
  endpoint?: string;
  /**
   * s3: the bucket stands in the path of an address, not in its host name. Many stores behind an `endpoint` need it. Default: false.
   */
  force_path_style?: boolean;
  /**
   * s3, gcs, azure: the class that new objects get, such as STANDARD_IA (s3), NEARLINE (gcs) or Cool (azure). Default: the bucket's.
   */
  storage_class?: string;
  encryption?: Encryption;
  /**
   * s3: a profile of the AWS configuration files, in place of `credentials`.
   */
  profile?: string;
  /**
   * gcs: the key file of a service account; `~` is your home, a relative path starts at this file. Default: application default credentials.
   */
  credentials_path?: string;
  credentials?: CredentialsEntry;
  /**
   * supabase: the key of the project that requests are signed with; always a variable.
   */
  key?: string;
  /**
   * plugin: what the plug-in wants to know. Keys that are named like secrets (key, token, secret, password, credential) take nothing but a variable.
   */
  options?: {
    [k: string]: unknown;
  };
  /**
   * Higher is read from first, and is `primary` in conflicts. Default: 0.
   */
  priority?: number;
  /**
   * What the location is for: inbox organized archive backup overflow, or words of your own. Moves and deletes take nothing from a backup or an archive unless `from` names it.
   */
  purpose?: string | string[];
  /**
   * Names parts of the path, for use as `project` and `attr.<name>` in matchers and key templates: `{project}/{shot}/**`
   */
  layout?: string;
  capacity?: CapacityEntry;
  exclude?: Globs;
  /**
   * Failure domain: locations that can be lost together (one building, one account) share a name. Default: one per location.
   */
  domain?: string;
  /**
   * Files are read and counted, never written or removed. Default: false.
   */
  read_only?: boolean;
  /**
   * Your word that stowage may remove objects although the store can not remove just the version that was checked: what somebody else writes to the same name at that moment would be lost. Without it such a store only gains files. Default: false.
   */
  allow_unconditional_delete?: boolean;
  /**
   * When files may be transferred to and from the location, in `settings.timezone`; over midnight is fine. Default: always.
   */
  windows?: string[];
  /**
   * `active`; `offline`: neither read nor written nor counted; `draining`: read, never written, not counted; `retired`: as if not there. Default: active.
   */
  status?: "active" | "offline" | "draining" | "retired";
  verify?: LocationVerify;
  /**
   * Files that belong here, as a list of which any may match. Compiles to a rule with this destination after the rules of the file; `stowage fmt` writes it out.
   */
  rules?: Placement[];
  /**
   * Older spelling: keys of the location one level deeper. `stowage fmt` moves them up.
   */
  config?: {};
}
/**
 * Encryption with a key of a key management service.
 */
export interface Kms {
  /**
   * The key: an id, an ARN or an alias (s3), a resource name (gcs). No secret.
   */
  kms_key: string;
}
/**
 * How stowage shows who it is. Every value is a variable and nothing else: secrets do not belong into this file. Default: what the provider's SDK finds by itself (environment, configuration files, roles).
 */
export interface CredentialsEntry {
  /**
   * s3: the id of an access key.
   */
  access_key_id?: string;
  /**
   * s3: the secret of that access key.
   */
  secret_access_key?: string;
  /**
   * s3: the token of temporary credentials; may be empty.
   */
  session_token?: string;
  /**
   * azure: a connection string, as the portal shows it.
   */
  connection_string?: string;
  /**
   * azure: a key of the storage account.
   */
  account_key?: string;
  /**
   * azure: a shared access signature for the container.
   */
  sas_token?: string;
}
/**
 * How much a location may hold.
 */
export interface CapacityEntry {
  max?: Size;
  /**
   * What must stay free on the disk: a size, or a share of the disk (`10%`).
   */
  keep_free?: string | number;
}
/**
 * How often every file of the location is read again and compared.
 */
export interface LocationVerify {
  every: Duration;
  /**
   * `content` reads the bytes; `checksum` trusts the store's own where it has one. Default: content.
   */
  method?: "content" | "checksum";
}
/**
 * Files that belong in this location; all keys must hold.
 */
export interface Placement {
  /**
   * At most this old; the day is included.
   */
  max_age_days?: number;
  /**
   * At least this old; the day is included.
   */
  min_age_days?: number;
  include_types?: Texts;
  require_tags?: Texts;
  include_tags?: Texts;
  exclude_tags?: Texts;
  /**
   * Rated with at least so many stars.
   */
  min_quality_stars?: number;
  /**
   * Rated with at most so many stars; files without a rating are not meant.
   */
  max_quality_stars?: number;
  exclude_types?: Texts;
  /**
   * At least this large.
   */
  min_size_bytes?: number;
  /**
   * At most this large.
   */
  max_size_bytes?: number;
}
/**
 * Named matchers, for `set:` in a match.
 */
export interface Sets {
  [k: string]: Match;
}
/**
 * Which files. Several keys: all must hold. A list as value: any of them. `{}` matches every file. A value that is not known never matches.
 */
export interface Match {
  path?: Globs;
  name?: Globs;
  ext?: Texts;
  location?: Texts;
  project?: Texts;
  media_type?: Texts;
  type?: Texts;
  size?: Comparisons;
  age?: Comparisons;
  age_here?: Comparisons;
  modified?: Comparisons;
  accessed?: Comparisons;
  copies?: Comparisons;
  verified?: Comparisons;
  tags?: Tags;
  "tags.contains"?: Texts;
  stars?: Comparisons;
  sha256?: Texts;
  set?: Names;
  /**
   * Any of these must match.
   */
  any?: Match[];
  /**
   * All of these must match.
   */
  all?: Match[];
  not?: MatchOrList;
  [k: string]: Comparisons | Globs | Texts | Tags | Names | Match[] | MatchOrList | undefined;
}
/**
 * Which tags a file has; all keys must hold.
 */
export interface TagSets {
  any?: Texts;
  all?: Texts;
  none?: Texts;
}
/**
 * Files that no rule matched are put into this location, unless they already are in one whose purpose is organized, archive or backup. Must be the last rule.
 */
export interface DefaultRule {
  /**
   * A location.
   */
  default: string;
}
/**
 * What to do with which files.
 */
export interface RuleEntry {
  /**
   * A unique name, shown in plans. Default: `rule-1`, by position.
   */
  name?: string;
  match: Match;
  /**
   * `keep`: touch nothing. `copy`: the content is in every destination. `move`: the same, and the matched files are gone. `delete`: the matched files go to trash.
   */
  action: "keep" | "copy" | "move" | "delete";
  from?: Names;
  destination?: Names;
  /**
   * The path at the destination: {path} {dir} {filename} {stem} {ext} {sha256} {sha256:2} {project} {media_type} {modified:%Y/%m} {attr.NAME} {location}; `{project|none}` has a fallback. Default: `{path}`.
   */
  key?: string;
  /**
   * When another content already has the path: `manual` blocks that file, `newest` `largest` `primary` choose, `skip` leaves it, `rename` adds a part of the hash. Default: manual.
   */
  on_conflict?: "manual" | "newest" | "largest" | "primary" | "skip" | "rename";
  /**
   * `key`: the content must be at the exact path. `content`: any path at the destination will do. Default: key for a move, content for a copy.
   */
  place?: "key" | "content";
  /**
   * For copy: add these copies, and let later rules decide on. Default: false.
   */
  continue?: boolean;
  /**
   * For delete: the last copy may go, too. Default: false.
   */
  allow_last_copy?: boolean;
}
/**
 * How many copies which files must have.
 */
export interface RequirementEntry {
  /**
   * A unique name. Default: `require-1`, by position.
   */
  name?: string;
  match: Match;
  /**
   * Verified copies in distinct locations. Default: 1.
   */
  copies?: number;
  /**
   * Distinct failure domains of those copies. Default: 1.
   */
  domains?: number;
}
