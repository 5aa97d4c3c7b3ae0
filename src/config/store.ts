import { placeOf } from "./endpoint.js";

/** How a location that is no directory is reached. Prefixes are empty or end with `/`. Secrets never leave this object. */
export type Store = S3Store | GcsStore | AzureStore | SupabaseStore | PluginStore;

export interface S3Store {
  type: "s3";
  bucket: string;
  prefix: string;
  region?: string;
  endpoint?: string;
  forcePathStyle?: boolean;
  storageClass?: string;
  /** SSE-S3, or SSE-KMS with the account's own key where no key is named. */
  encryption?: { kind: "sse-s3" } | { kind: "sse-kms"; kmsKey?: string };
  /** Undefined: the SDK's own chain. */
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
  /** A profile of the SDK's shared configuration files. */
  profile?: string;
}

export interface GcsStore {
  type: "gcs";
  bucket: string;
  prefix: string;
  project?: string;
  endpoint?: string;
  /** Absolute path of a key file; undefined: application default credentials. */
  credentialsPath?: string;
  storageClass?: string;
  kmsKey?: string;
}

export interface AzureStore {
  type: "azure";
  account?: string;
  container: string;
  prefix: string;
  endpoint?: string;
  /** Access tier: Hot, Cool, Cold, Archive. */
  storageClass?: string;
  credentials?: { connectionString?: string; accountKey?: string; sasToken?: string };
}

export interface SupabaseStore {
  type: "supabase";
  url: string;
  bucket: string;
  prefix: string;
  key: string;
}

export interface PluginStore {
  type: "plugin";
  /** The name under which an installed plug-in offers the backend. */
  use: string;
  options: Record<string, unknown>;
}

/** The address for people: `s3://bucket/prefix/`. */
export function addressOf(store: Store): string {
  switch (store.type) {
    case "s3":
      return `s3://${store.bucket}/${store.prefix}`;
    case "gcs":
      return `gs://${store.bucket}/${store.prefix}`;
    case "azure":
      return `azure://${store.account}/${store.container}/${store.prefix}`;
    case "supabase":
      return `supabase://${new URL(store.url).host}/${store.bucket}/${store.prefix}`;
    case "plugin":
      return `plugin:${store.use}`;
  }
}

/** The bucket that is meant, however it is spelled; equal texts are one bucket. Undefined where nobody can tell. */
export function bucketOf(store: Store): string | undefined {
  switch (store.type) {
    case "s3":
      return s3Bucket(store);
    case "gcs":
      return store.endpoint === undefined ? `gcs:${store.bucket}` : atEndpoint("gcs", store.endpoint, store.bucket);
    case "azure":
      return azureContainer(store);
    case "supabase":
      return supabaseBucket(new URL(store.url).host, store.bucket);
    case "plugin":
      return undefined;
  }
}

function atEndpoint(type: "s3" | "gcs", endpoint: string, bucket: string): string {
  const { host, port, path } = placeOf(endpoint);
  if (host === "storage.googleapis.com") return `gcs:${bucket}`;
  if (path.endsWith("/storage/v1/s3")) return supabaseBucket(`${host}${port && `:${port}`}`, bucket);
  return `${type}:${host}:${port}${path}:${bucket}`;
}

/** Names of buckets are unique within a partition of AWS, whatever the region. */
function s3Bucket({ bucket, endpoint, region = "" }: S3Store): string {
  const host = endpoint === undefined ? "amazonaws.com" : placeOf(endpoint).host;
  if (!/(^|\.)amazonaws\.com(\.cn)?$/.test(host)) return atEndpoint("s3", endpoint!, bucket);
  const partition = /(?:^|[.-])(cn|us-gov|us-iso[a-z]*)-/.exec(`${region}.${host}`)?.[1] ?? "";
  return `s3:aws${partition}:${bucket}`;
}

/** An emulator knows the same account on every machine. */
function azureContainer({ account, container, endpoint }: AzureStore): string {
  const at = endpoint === undefined ? undefined : placeOf(endpoint);
  return `azure:${at?.loopback ? `${at.host}:${at.port}` : ""}:${account}:${container}`.toLowerCase();
}

const supabaseBucket = (host: string, bucket: string): string =>
  `supabase:${host.toLowerCase().replace(".storage.supabase.", ".supabase.")}:${bucket}`;
