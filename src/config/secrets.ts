import { isSecret } from "./interpolate.js";
import { SEED_CREDENTIALS } from "./location-keys.js";
import { schemaText } from "./validate.js";

/**
 * What a value may be. `secret`: one variable and nothing else. `quiet`: no secret, but shown nowhere either, so that variables
 * named like secrets may stand there. `path`: shown in plans. `plain`: anything that is no secret.
 */
export type Secrecy = "secret" | "quiet" | "path" | "plain";

const PATHS = new Set(["path", "mount_path", "state"]);
const QUIET = new Set(["encryption.kms_key", "credentials_path"]);

/** Of the value at the end of these keys, from the top of storage.yaml; indices of lists are left out. */
export function secrecyOf(path: readonly string[], value: unknown): Secrecy {
  const keys = inLocation(path);
  if (!keys?.length) return PATHS.has(path.at(-1) ?? "") ? "path" : "plain";
  const [first, ...rest] = keys as [string, ...string[]];
  const name = keys.join(".");
  if (value === null) return "plain";
  // What is wrongly nested or named below `credentials` is none the less a secret.
  if (first === "credentials" || Object.hasOwn(SEED_CREDENTIALS, first) || secretFields().has(name)) return "secret";
  if (first === "key") return "secret";
  if (first === "options") return typeof value !== "boolean" && rest.some(isSecret) ? "secret" : "plain";
  if (QUIET.has(name)) return "quiet";
  return PATHS.has(keys.at(-1)!) ? "path" : "plain";
}

/** `${NAME}`, `${NAME:?message}`, or `${NAME:-}`: what a secret field may hold. */
export const isOneVariable = (value: unknown): boolean =>
  typeof value === "string" && /^\$\{[A-Za-z_][A-Za-z0-9_]*(:\?[^}]*|:-)?\}$/.test(value);

/** How a secret is written: `${AWS_ACCESS_KEY_ID}` */
export function exampleOf(path: readonly string[]): string {
  const keys = inLocation(path) ?? [];
  const seed = SEED_CREDENTIALS[keys[0] ?? ""];
  const known = secretFields().get(seed === undefined ? keys.join(".") : `credentials.${seed}`);
  return known ?? `\${${String(keys.at(-1)).toUpperCase().replaceAll(/\W/g, "_")}}`;
}

/** The keys below a location, as if the older wrappings were not there. */
function inLocation(path: readonly string[]): readonly string[] | undefined {
  const plain = path[0] === "storage" ? path.slice(1) : path;
  if (plain[0] !== "locations") return undefined;
  return plain[1] === "config" ? plain.slice(2) : plain.slice(1);
}

interface Field {
  $ref?: string;
  writeOnly?: boolean;
  examples?: string[];
  properties?: Record<string, Field>;
}

let fields: ReadonlyMap<string, string> | undefined;

/** The fields of a location that the schema marks `writeOnly`, with their examples: `credentials.account_key`. */
function secretFields(): ReadonlyMap<string, string> {
  if (fields) return fields;
  const { $defs } = JSON.parse(schemaText()) as { $defs: Record<string, Field> };
  const collect = (of: Field, above: string): [string, string][] =>
    Object.entries(of.properties ?? {}).flatMap(([key, field]): [string, string][] => {
      const at = `${above}${key}`;
      if (field.writeOnly) return [[at, field.examples![0]!]];
      const inner = field.$ref === undefined ? field : $defs[field.$ref.split("/").at(-1)!]!;
      return collect(inner, `${at}.`);
    });
  fields = new Map(collect($defs["location"]!, ""));
  return fields;
}
