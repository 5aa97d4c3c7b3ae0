import type { LocationType } from "./config.js";
import type { Findings } from "./findings.js";
import type { CredentialsEntry, LocationEntry } from "./schema.gen.js";
import type { Checked } from "./validate.js";

type Key = keyof LocationEntry & string;

const BUCKET = ["prefix", "allow_unconditional_delete"] as const;

/** The keys that only some types know, by type. The schema says the same to editors. */
export const KEYS: Readonly<Record<LocationType, readonly Key[]>> = {
  local: ["path"],
  network: ["mount_path"],
  s3: [
    ...["bucket", "region", "endpoint", "force_path_style", "storage_class"],
    ...["encryption", "profile", "credentials", ...BUCKET],
  ] as Key[],
  gcs: ["project", "bucket", "endpoint", "storage_class", "encryption", "credentials_path", ...BUCKET],
  azure: ["account", "container", "endpoint", "storage_class", "credentials", ...BUCKET],
  supabase: ["url", "bucket", "key", ...BUCKET],
  plugin: ["use", "options", "allow_unconditional_delete"],
};

/** What must be written, and what it is. */
const NEEDED: Readonly<Record<LocationType, Partial<Record<Key, string>>>> = {
  local: { path: "The directory where its files lie." },
  network: { mount_path: "The directory where its files lie." },
  s3: { bucket: "The bucket where its files lie." },
  gcs: { bucket: "The bucket where its files lie." },
  azure: { account: "The storage account.", container: "The container where its files lie." },
  supabase: {
    url: "The address of the project: https://….supabase.co",
    bucket: "The bucket where its files lie.",
    key: 'The project\'s key, as a variable: key: "${SUPABASE_KEY}"',
  },
  plugin: { use: "The name under which an installed plug-in offers the backend." },
};

/** Keys of different types that say the same. */
const TWINS: readonly (readonly Key[])[] = [
  ["path", "mount_path", "bucket", "container"],
  ["url", "endpoint"],
  ["credentials", "credentials_path", "key"],
];

const CREDENTIALS: Partial<Record<LocationType, readonly (keyof CredentialsEntry)[]>> = {
  s3: ["access_key_id", "secret_access_key", "session_token"],
  azure: ["connection_string", "account_key", "sas_token"],
};

/** Older spellings of credentials under `config:`, and what they are called now. */
export const SEED_CREDENTIALS: Readonly<Record<string, string>> = {
  aws_access_key_id: "access_key_id",
  aws_secret_access_key: "secret_access_key",
  aws_session_token: "session_token",
  access_key_id: "access_key_id",
  secret_access_key: "secret_access_key",
  session_token: "session_token",
};

const TYPES = Object.keys(KEYS) as LocationType[];

export const isLocationType = (type: unknown): type is LocationType => TYPES.some((known) => known === type);

/** True also for keys that every type knows. */
export const belongsTo = (key: string, type: LocationType): boolean => {
  const owners = ownersOf(key);
  return owners.length === 0 || owners.includes(type);
};

const ownersOf = (key: string): LocationType[] => TYPES.filter((type) => KEYS[type].some((own) => own === key));

/** Reports keys that belong to another type of location, and keys that this one needs. */
export function checkKeys(entry: Checked<LocationEntry>, found: Findings): void {
  const { type } = entry;
  if (type === undefined) return;
  for (const key of Object.keys(entry) as Key[]) if (!belongsTo(key, type)) tellForeign(entry, key, type, found);
  for (const [key, hint] of Object.entries(NEEDED[type]) as [Key, string][]) {
    if (key in entry || twinsOf(key).some((twin) => twin in entry && !belongsTo(twin, type))) continue;
    const subject = entry.name === undefined ? "the location" : `the location "${entry.name}"`;
    found.error("MISSING_KEY", entry, `${subject} needs "${key}"`, hint);
  }
  const own = CREDENTIALS[type];
  for (const key of Object.keys(entry.credentials ?? {}) as (keyof CredentialsEntry)[]) {
    if (!own || own.includes(key)) continue;
    const fact = `"${key}" is not for ${type} locations`;
    found.error("WRONG_KEY", [entry.credentials!, key, "key"], fact, `There are: ${own.join(", ")}.`);
  }
}

const twinsOf = (key: Key): Key[] =>
  TWINS.flatMap((group) => (group.includes(key) ? group : [])).filter((it) => it !== key);

function tellForeign(entry: Checked<LocationEntry>, key: Key, type: LocationType, found: Findings): void {
  const at = [entry, key, "key"] as const;
  const twin = twinsOf(key).find((other) => KEYS[type].includes(other));
  if (twin !== undefined && isRoot(key) && isRoot(twin)) {
    const what = type === "local" || type === "network" ? "its directory" : "its files";
    const rename =
      isDirectory(key) === isDirectory(twin) ? `Rename "${key}" to "${twin}".` : `Write "${twin}", or another type.`;
    const hint = twin in entry ? `Remove "${key}".` : rename;
    found.error("WRONG_KEY", at, `${article(type)} ${type} location has ${what} in "${twin}"`, hint);
    return;
  }
  const others = ownersOf(key);
  const list = others.length < 2 ? others.join() : `${others.slice(0, -1).join(", ")} and ${others.at(-1)}`;
  const hint = twin === undefined || twin in entry ? `Remove "${key}".` : `Write "${twin}" in its place.`;
  found.error("WRONG_KEY", at, `"${key}" is for ${list} locations, not for ${type}`, hint);
}

const isDirectory = (key: Key): boolean => key === "path" || key === "mount_path";
const isRoot = (key: Key): boolean => isDirectory(key) || key === "bucket" || key === "container";
const article = (type: LocationType): string => (type === "s3" || type === "azure" ? "an" : "a");
