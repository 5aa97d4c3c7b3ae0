import { canonicalJson, sha256Hex } from "../lib/json.js";
import type { Config, Location, Store } from "./config.js";
import type { Findings } from "./findings.js";
import { isSecret } from "./interpolate.js";

type Meaning = Omit<Config, "file" | "digest" | "sets">;

/** Of the meaning only: no line numbers, no spelling, no order of keys; secrets by name, credentials not at all. */
export function digestOf(meaning: Meaning, found: Findings): string {
  // Where stowage keeps its own things, and how much room it takes to think, changes no plan.
  const { lock: _, journal: __, memory: ___, ...settings } = meaning.settings;
  const locations = meaning.locations.map((location) => locationMeaning(location, found));
  return `sha256:${sha256Hex(canonicalJson(meaningOf({ ...meaning, settings, locations }, found)))}`;
}

/** What nobody wrote is left out, so that a new word of the language makes no plan stale that does not use it. */
function locationMeaning({ store, windows, allowUnconditionalDelete, ...rest }: Location, found: Findings): object {
  return {
    ...rest,
    ...(store ? { store: canonicalJson(storeMeaning(store, found)) } : {}),
    ...(windows.length > 0 ? { windows } : {}),
    ...(allowUnconditionalDelete ? { allowUnconditionalDelete } : {}),
  };
}

/** Who asks is no part of what is asked for: another machine may have other credentials. */
const CREDENTIALS = new Set(["credentials", "credentialsPath", "profile", "key"]);

function storeMeaning(store: Store, found: Findings): object {
  const fields = Object.entries(store).filter(([key]) => store.type === "plugin" || !CREDENTIALS.has(key));
  return Object.fromEntries(fields.map(([key, value]) => [key, withoutSecrets(value, found)]));
}

function withoutSecrets(value: unknown, found: Findings): unknown {
  if (typeof value === "string") return found.redact(value);
  if (Array.isArray(value)) return value.map((item) => withoutSecrets(item, found));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([key, inner]) => typeof inner === "boolean" || !isSecret(key));
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutSecrets(inner, found)]));
}

/** Names of fields that say how something was written or where the file lies, not what it means. */
const SPELLING = new Set(["line", "source", "re2", "prefix", "suffix", "captures", "state"]);

function meaningOf(value: unknown, found: Findings): unknown {
  if (typeof value === "string") return found.redact(value);
  if (Array.isArray(value)) return value.map((item) => meaningOf(item, found));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => !SPELLING.has(key));
  const plain = Object.fromEntries(entries.map(([key, inner]) => [key, meaningOf(inner, found)]));
  if (!("op" in plain)) return plain;
  if (plain["op"] === "set") return plain["of"];
  if ((plain["op"] !== "all" && plain["op"] !== "any") || !Array.isArray(plain["of"])) return plain;
  return { ...plain, of: plain["of"].sort((a, b) => (canonicalJson(a) < canonicalJson(b) ? -1 : 1)) };
}
