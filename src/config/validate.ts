import { readFileSync } from "node:fs";
import type { ErrorObject, ValidateFunction } from "ajv";
import { compileSchema } from "./compile-schema.js";
import type { At, Findings } from "./findings.js";
import { belongsTo, isLocationType, SEED_CREDENTIALS } from "./location-keys.js";
import { didYouMean } from "./suggest.js";

let text: string | undefined;
let validator: ValidateFunction | undefined;

/** The JSON Schema of storage.yaml, as text. */
export function schemaText(): string {
  text ??= readFileSync(new URL("../../schema/storage.schema.json", import.meta.url), "utf8");
  return text;
}

/** Words of the language that this version does not have yet: naming them is better than guessing at a typing error. */
const LATER = new Set(["created", "keep_local_preview", "policies", "lock"]);

/**
 * Reports what the schema does not allow, and takes just that out of the tree, so that all the rest can be checked further:
 * a wrong value becomes `undefined` under its key (which tells it from a key that nobody wrote), an unknown key goes. With
 * `variables` the tree still has its `${…}`: what they will be is not judged.
 */
export function validate(tree: unknown, found: Findings, options: { variables?: boolean } = {}): void {
  validator ??= compileSchema(schemaText);
  if (validator(tree)) return;
  const errors = (validator.errors ?? []).filter(
    (error) => isOwn(error) && !(options.variables && typeof error.data === "string" && error.data.includes("${")),
  );
  const broken = errors.map((error) => ({ error, path: pathTo(tree, error.instancePath) }));
  for (const { error, path } of broken) {
    const [code, message, hint] = explain(error, path);
    found.error(code, placeOf(error, path), message, hint);
  }
  for (const { error, path } of broken) prune(error, path);
}

/** Of a choice only its own error is told, not those of the alternatives. */
const isOwn = ({ keyword, schemaPath }: ErrorObject): boolean =>
  keyword !== "if" && keyword !== "pattern" && !schemaPath.includes("/anyOf/");

/** From the root to what is meant: the value, and the name it has in its parent. */
type Path = { key: string | number; value: unknown }[];

function pathTo(tree: unknown, pointer: string): Path {
  const path: Path = [{ key: "", value: tree }];
  for (const part of pointer.split("/").slice(1)) {
    const parent = path.at(-1)!.value as Record<string | number, unknown>;
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    const key = Array.isArray(parent) ? Number(name) : name;
    path.push({ key, value: parent[key] });
  }
  return path;
}

function placeOf(error: ErrorObject, path: Path): At {
  const { value, key } = path.at(-1)!;
  if (error.keyword === "additionalProperties") return [value as object, unknownKey(error), "key"];
  const parent = path.at(-2)?.value;
  return parent === undefined ? (typeof value === "object" && value !== null ? value : 0) : [parent as object, key];
}

const unknownKey = (error: ErrorObject): string => String(error.params["additionalProperty"]);

type Told = [code: string, message: string, hint?: string | undefined];

function explain(error: ErrorObject, path: Path): Told {
  const subject = named(path);
  const { params } = error;
  switch (error.keyword) {
    case "additionalProperties":
      return explainUnknown(error);
    case "required":
      return [
        "MISSING_KEY",
        `${subject} needs "${params["missingProperty"]}"`,
        missingHint(String(params["missingProperty"])),
      ];
    case "enum":
      return explainEnum(error, subject, params["allowedValues"] as unknown[]);
    case "type":
      return [
        "WRONG_TYPE",
        `${subject} must be ${typeNames(params["type"])}, not ${kindOf(error.data)}`,
        typeHint(error),
      ];
    case "minimum":
    case "maximum":
      return [
        "WRONG_VALUE",
        `${subject} must be ${error.keyword === "minimum" ? "at least" : "at most"} ${params["limit"]}, not ${String(error.data)}`,
      ];
    case "minLength":
    case "minItems":
    case "minProperties":
      return ["WRONG_VALUE", `${subject} is empty`];
    case "maxLength":
      return ["WRONG_VALUE", `${subject} is longer than ${params["limit"]} characters`];
    case "anyOf":
      return ["MISSING_KEY", `${subject} needs "copies" or "domains"`];
    default:
      return ["WRONG_VALUE", `${subject} ${error.message ?? "is wrong"}`];
  }
}

function explainUnknown(error: ErrorObject): Told {
  const key = unknownKey(error);
  const schema = error.parentSchema as { properties?: object; patternProperties?: object };
  const known = Object.entries(schema.properties ?? {}).flatMap(([name, of]) =>
    (of as { deprecated?: boolean }).deprecated ? [] : [name],
  );
  if (LATER.has(key)) return ["UNSUPPORTED", `"${key}" is not supported by this version`];
  if (schema.patternProperties && key.startsWith("attr.")) {
    return ["UNKNOWN_KEY", `"${key}" names no attribute`, "Letters, digits and _ : attr.shot"];
  }
  const seed = Object.hasOwn(SEED_CREDENTIALS, key) ? `Write credentials: { ${SEED_CREDENTIALS[key]}: … }.` : undefined;
  return ["UNKNOWN_KEY", `unknown key "${key}"`, seed ?? didYouMean(key, ofType(known, error.data))];
}

/** Of the keys of a location, those of its type. */
function ofType(keys: string[], entry: unknown): string[] {
  const type = (entry as { type?: unknown } | null)?.type;
  return isLocationType(type) ? keys.filter((key) => belongsTo(key, type)) : keys;
}

function explainEnum(error: ErrorObject, subject: string, allowed: unknown[]): Told {
  const value = typeof error.data === "string" ? `"${error.data}"` : kindOf(error.data);
  const choices = allowed.map(String);
  if (error.instancePath.endsWith("/version"))
    return ["WRONG_VALUE", `version ${value} is not known`, "This stowage reads version 1."];
  const hint = typeof error.data === "string" ? didYouMean(error.data, choices) : undefined;
  return [
    "WRONG_VALUE",
    `${subject} must be ${oneOf(choices)}, not ${value}`,
    hint?.startsWith("Did") ? hint : undefined,
  ];
}

const missingHint = (key: string): string | undefined =>
  key === "match" ? "`match: {}` matches every file." : key === "locations" ? "Name at least one location." : undefined;

const oneOf = (choices: string[]): string =>
  choices.length < 2 ? choices.join() : `${choices.slice(0, -1).join(", ")} or ${choices.at(-1)}`;

const TYPES: Record<string, string> = {
  object: "a mapping",
  array: "a list",
  string: "a text",
  integer: "a whole number",
  number: "a number",
  boolean: "true or false",
};

const typeNames = (type: unknown): string => oneOf([type].flat().map((name) => TYPES[String(name)] ?? String(name)));

function typeHint(error: ErrorObject): string | undefined {
  const types = [error.params["type"]].flat();
  if (types.includes("string") && error.data === null) return 'A bare ~ is nothing in YAML; quote it: "~".';
  if (types.includes("string") && (typeof error.data === "number" || typeof error.data === "boolean"))
    return `Quote it: "${error.data}".`;
  return undefined;
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  if (typeof value === "string") return `the text "${value}"`;
  return String(value);
}

/** `"path"`, or what an element of a list is. */
function named(path: Path): string {
  const { key, value } = path.at(-1)!;
  const list = path.at(-2)?.key;
  if (path.length === 1) return "storage.yaml";
  if (typeof key === "string") return `"${key}"`;
  const word = { locations: "location", rules: "rule", require: "requirement" }[String(list)] ?? `an item of "${list}"`;
  const name =
    typeof value === "object" && value !== null && "name" in value && typeof value.name === "string"
      ? ` "${value.name}"`
      : "";
  return word.startsWith("an ") ? word : `the ${word}${name}`;
}

function prune(error: ErrorObject, path: Path): void {
  const { key, value } = path.at(-1)!;
  const parent = path.at(-2)?.value as Record<string | number, unknown> | undefined;
  if (error.keyword === "additionalProperties") delete (value as Record<string, unknown>)[unknownKey(error)];
  else if (parent && error.keyword !== "required" && error.keyword !== "anyOf") parent[key] = undefined;
}

/** What `validate` leaves of a mapping: any key may be missing, or its value be `undefined` because it was wrong. */
export type Checked<T> = { [K in keyof T]?: T[K] | undefined };
