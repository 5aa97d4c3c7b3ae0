import { printable } from "../lib/key.js";
import type { Findings } from "./findings.js";
import type { LocationEntry } from "./schema.gen.js";
import { didYouMean } from "./suggest.js";
import type { Checked } from "./validate.js";

type Entry = Checked<LocationEntry>;

/** Empty or with `/` at its end; undefined where it is wrong, which is reported. */
export function prefixOf(entry: Entry, found: Findings): string | undefined {
  if (entry.prefix === undefined) return "prefix" in entry ? undefined : "";
  const text = entry.prefix;
  const parts = text.replace(/\/$/, "").split("/");
  const wrong = (fact: string, hint?: string): undefined =>
    found.error("WRONG_VALUE", [entry, "prefix"], `the prefix "${printable(text)}" ${fact}`, hint) as undefined;
  if (text === "") return "";
  if (text.startsWith("/")) return wrong("starts with /", `Write "${text.replace(/^\/+/, "")}".`);
  if (text.includes("//")) return wrong("contains //", "Objects with such names are no files.");
  if (parts.some((part) => part === "." || part === "..")) return wrong('contains "." or ".."');
  if (/[\u0000-\u001f\u007f]/.test(text)) return wrong("contains control characters");
  if (parts.some((part) => part.startsWith(".stowage-")))
    return wrong("is for stowage's own objects", "Choose another.");
  return text.endsWith("/") ? text : `${text}/`;
}

/** What a name must look like, and how that is said. */
export type Naming = readonly [pattern: RegExp, hint: string];
export const BUCKET: Naming = [
  /^([A-Za-z0-9][A-Za-z0-9._-]{1,220}[A-Za-z0-9]|arn:[\w:/-]+)$/,
  "At least 3 letters, digits, dots and hyphens.",
];
export const ACCOUNT: Naming = [/^[a-z0-9]{3,24}$/, "3 to 24 small letters and digits."];
export const SEGMENT: Naming = [/^[^/\u0000-\u001f\u007f]+$/, "The bucket's name only."];
export const CONTAINER: Naming = [
  /^(\$root|\$web|[a-z0-9](-?[a-z0-9]){2,62})$/,
  "Small letters, digits and single hyphens.",
];

/** A name that a bucket can have; checked lightly, because every store has rules of its own. */
export function named(
  entry: Entry,
  key: "bucket" | "container" | "account",
  found: Findings,
  [pattern, rule]: Naming,
): string | undefined {
  const text = entry[key];
  if (text === undefined) return undefined;
  if (pattern.test(text)) return text;
  const [, bucket, prefix] = /^(?:\w+:\/\/)?([A-Za-z0-9][\w.-]+)\/(.*)$/.exec(text) ?? [];
  const split = bucket && `Write ${key}: ${bucket}${prefix ? `, prefix: ${prefix}` : ""}.`;
  const isPath = /^[~./]|^[A-Za-z]:/.test(text);
  const hint = isPath ? `A directory is a location of the type local or network.` : split || rule;
  found.error(
    "WRONG_VALUE",
    [entry, key],
    `"${printable(text)}" is no name of ${key === "account" ? "an" : "a"} ${key}`,
    hint,
  );
  return undefined;
}

export const S3_CLASSES = [
  ...["STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"],
  ...["REDUCED_REDUNDANCY", "EXPRESS_ONEZONE"],
];
export const GCS_CLASSES = ["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"];
export const AZURE_TIERS = ["Hot", "Cool", "Cold", "Archive"];

/** The class as the provider spells it. */
export function checkClass(
  entry: Entry,
  known: readonly string[],
  tell: (message: string, hint?: string) => void,
): string | undefined {
  const text = entry.storage_class;
  if (text === undefined || known.includes(text)) return text;
  tell(`there is no storage class "${printable(text)}"`, didYouMean(text, known));
  return text;
}
