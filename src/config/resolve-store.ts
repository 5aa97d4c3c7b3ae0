import { endpointOf } from "./endpoint.js";
import type { Findings } from "./findings.js";
import type { CredentialsEntry, LocationEntry } from "./schema.gen.js";
import type { AzureStore, GcsStore, PluginStore, S3Store, Store, SupabaseStore } from "./store.js";
import {
  ACCOUNT,
  AZURE_TIERS,
  BUCKET,
  CONTAINER,
  checkClass,
  GCS_CLASSES,
  named,
  prefixOf,
  S3_CLASSES,
  SEGMENT,
} from "./store-names.js";
import type { Checked } from "./validate.js";

type Entry = Checked<LocationEntry>;

/** How a location that is no directory is reached; undefined for directories, and where what is written does not tell. */
export function storeOf(entry: Entry, found: Findings, pathOf: (text: string) => string): Store | undefined {
  switch (entry.type) {
    case "s3":
      return s3(entry, found);
    case "gcs":
      return gcs(entry, found, pathOf);
    case "azure":
      return azure(entry, found);
    case "supabase":
      return supabase(entry, found);
    case "plugin":
      return plugin(entry);
    default:
      return undefined;
  }
}

function s3(entry: Entry, found: Findings): S3Store | undefined {
  const prefix = prefixOf(entry, found);
  const bucket = named(entry, "bucket", found, BUCKET);
  const credentials = s3Credentials(entry, found);
  const endpoint = optionalEndpoint(entry, found);
  if (entry.storage_class !== undefined && entry.endpoint === undefined)
    checkClass(entry, S3_CLASSES, (message, hint) =>
      found.warning("UNKNOWN_VALUE", [entry, "storage_class"], message, hint),
    );
  if (bucket === undefined || prefix === undefined || endpoint === null) return undefined;
  const { encryption } = entry;
  return given({
    type: "s3",
    bucket,
    prefix,
    region: entry.region,
    endpoint,
    forcePathStyle: entry.force_path_style,
    storageClass: entry.storage_class,
    encryption: encryption === undefined ? undefined : s3Encryption(encryption),
    credentials,
    profile: entry.profile,
  });
}

function s3Encryption(encryption: NonNullable<LocationEntry["encryption"]>): NonNullable<S3Store["encryption"]> {
  if (encryption === "sse-s3") return { kind: "sse-s3" };
  return encryption === "sse-kms" ? { kind: "sse-kms" } : { kind: "sse-kms", kmsKey: encryption.kms_key };
}

function s3Credentials(entry: Entry, found: Findings): S3Store["credentials"] {
  const written = credentialsOf(entry, found);
  if (!written) return undefined;
  if ("profile" in entry)
    found.error(
      "WRONG_KEY",
      [entry, "profile", "key"],
      '"profile" and "credentials" exclude each other',
      "Remove one.",
    );
  for (const key of ["access_key_id", "secret_access_key"] as const) {
    if (!(key in written)) found.error("MISSING_KEY", written, `the credentials need "${key}"`, "Both, or none.");
  }
  const { access_key_id: accessKeyId, secret_access_key: secretAccessKey, session_token: token } = written;
  if (!accessKeyId || !secretAccessKey) return undefined;
  return given({ accessKeyId, secretAccessKey, sessionToken: token || undefined });
}

function gcs(entry: Entry, found: Findings, pathOf: (text: string) => string): GcsStore | undefined {
  const prefix = prefixOf(entry, found);
  const bucket = named(entry, "bucket", found, BUCKET);
  const endpoint = optionalEndpoint(entry, found);
  const { encryption, credentials_path: path } = entry;
  if (typeof encryption === "string") {
    const fact = "a gcs location is encrypted anyway; a key of one's own is named";
    found.error("WRONG_VALUE", [entry, "encryption"], fact, "Write { kms_key: … }, or nothing.");
  }
  checkClass(entry, GCS_CLASSES, (message, hint) =>
    found.error("WRONG_VALUE", [entry, "storage_class"], message, hint),
  );
  if (bucket === undefined || prefix === undefined || endpoint === null) return undefined;
  return given({
    type: "gcs",
    bucket,
    prefix,
    project: entry.project,
    endpoint,
    credentialsPath: path === undefined ? undefined : pathOf(path),
    storageClass: entry.storage_class,
    kmsKey: typeof encryption === "object" ? encryption.kms_key : undefined,
  });
}

function azure(entry: Entry, found: Findings): AzureStore | undefined {
  const prefix = prefixOf(entry, found);
  const account = named(entry, "account", found, ACCOUNT);
  const container = named(entry, "container", found, CONTAINER);
  const endpoint = optionalEndpoint(entry, found);
  const credentials = azureCredentials(entry, account, found);
  const tier = checkClass(entry, AZURE_TIERS, (message, hint) =>
    found.error("WRONG_VALUE", [entry, "storage_class"], message, hint),
  );
  if (!account || container === undefined || prefix === undefined || endpoint === null) return undefined;
  return given({ type: "azure", account, container, prefix, endpoint, storageClass: tier, credentials });
}

function azureCredentials(entry: Entry, account: string | undefined, found: Findings): AzureStore["credentials"] {
  const written = credentialsOf(entry, found);
  if (!written) return undefined;
  if (Object.keys(written).length > 1)
    found.error("WRONG_KEY", [entry, "credentials", "key"], "one of the credentials is enough", "Remove the others.");
  const { connection_string: connection, account_key: accountKey, sas_token: sasToken } = written;
  if (connection !== undefined) checkConnection(connection, written, account, found);
  return given({ connectionString: connection, accountKey, sasToken });
}

/** A connection string says itself where it leads: to what is written beside it, and not to where no storage is. */
function checkConnection(text: string, written: object, account: string | undefined, found: Findings): void {
  const at = [written, "connection_string"] as const;
  const parts = new Map(
    text.split(";").map((part) => [part.split("=", 1)[0]!.trim().toLowerCase(), part.replace(/^[^=]*=/, "")]),
  );
  const other = parts.get("accountname");
  if (account !== undefined && other !== undefined && other !== account)
    found.error(
      "WRONG_VALUE",
      at,
      `the connection string is not for the account "${account}"`,
      "Both must name one account.",
    );
  const address = parts.get("blobendpoint");
  if (address !== undefined) endpointOf(address, at, found);
}

function supabase(entry: Entry, found: Findings): SupabaseStore | undefined {
  const prefix = prefixOf(entry, found);
  const bucket = named(entry, "bucket", found, SEGMENT);
  const url = entry.url === undefined ? undefined : endpointOf(entry.url, [entry, "url"], found);
  if (entry.key !== undefined) checkSecret(entry, "key", found);
  if (!url || bucket === undefined || prefix === undefined || entry.key === undefined) return undefined;
  return { type: "supabase", url, bucket, prefix, key: entry.key };
}

function plugin({ use, options }: Entry): PluginStore | undefined {
  return use === undefined ? undefined : { type: "plugin", use, options: { ...(options as Record<string, unknown>) } };
}

function credentialsOf(entry: Entry, found: Findings): Checked<CredentialsEntry> | undefined {
  const written: Checked<CredentialsEntry> | undefined = entry.credentials;
  for (const key of Object.keys(written ?? {})) checkSecret(written!, key, found);
  return written;
}

/** A line break from a file would end up in a request's header, and in the error about it. */
function checkSecret(parent: object, key: string, found: Findings): void {
  const value = (parent as Record<string, unknown>)[key];
  if (typeof value === "string" && /^\s|\s$|[\u0000-\u001f\u007f]/.test(value))
    found.error(
      "WRONG_VALUE",
      [parent, key],
      `the value of "${key}" has white space around it or in it`,
      "Set the variable without.",
    );
}

/** Null = wrong, and reported. */
const optionalEndpoint = (entry: Entry, found: Findings): string | undefined | null =>
  entry.endpoint === undefined
    ? "endpoint" in entry
      ? null
      : undefined
    : (endpointOf(entry.endpoint, [entry, "endpoint"], found) ?? null);

type Given<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** Without the keys whose value is undefined. */
const given = <const T extends object>(fields: T): Given<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<T>;
