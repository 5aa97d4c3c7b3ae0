#!/usr/bin/env node
/**
 * Writes src/config/schema.gen.ts from schema/storage.schema.json; with --check only compares and exits 1 on a difference.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { compile } from "json-schema-to-typescript";

const root = new URL("../", import.meta.url);
const target = fileURLToPath(new URL("src/config/schema.gen.ts", root));

const BANNER = `/**
 * What a storage.yaml may contain, before defaults and compilation. Written by \`npm run types\` from
 * schema/storage.schema.json: change that file, never this one.
 */`;

/** The generator knows no if/then/else: a discriminated choice becomes a union. */
function unions(node) {
  if (Array.isArray(node)) return node.map(unions);
  if (typeof node !== "object" || node === null) return node;
  const { if: condition, then: yes, else: no, deprecated: _, ...rest } = node;
  const plain = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, unions(value)]));
  return condition && yes && no ? { anyOf: [unions(yes), unions(no)] } : plain;
}

/** A `$ref` with a description beside it refers all the same; the generator would make a type of its own for each. */
function references(node) {
  if (Array.isArray(node)) return node.map(references);
  if (typeof node !== "object" || node === null) return node;
  if (typeof node.$ref === "string") return { $ref: node.$ref };
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, references(value)]));
}

/** Constraints that types can not state would only be noise. */
function bare(node) {
  if (Array.isArray(node)) return node.map(bare);
  if (typeof node !== "object" || node === null) return node;
  const { minItems: _min, examples: _examples, pattern: _pattern, minimum: _low, maximum: _high, ...rest } = node;
  return Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, bare(value)]));
}

export async function generate() {
  const { anyOf: _, ...schema } = JSON.parse(readFileSync(new URL("schema/storage.schema.json", root), "utf8"));
  delete schema.$defs.requirement.anyOf;
  delete schema.$defs.location.allOf;
  return await compile(bare(references(unions(schema))), "StorageFile", {
    bannerComment: BANNER,
    additionalProperties: false,
    style: { printWidth: 120 },
  });
}

const text = await generate();
if (!process.argv.includes("--check")) {
  writeFileSync(target, text);
} else if (readFileSync(target, "utf8") !== text) {
  process.stderr.write("src/config/schema.gen.ts is out of date: run `npm run types`.\n");
  process.exitCode = 1;
}
