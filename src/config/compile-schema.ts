import type { ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";

// The bundle of the command line has the compiled schema in this module's place (see bin/bundle.js): to compile it takes as long as all else
// that a short command does.

/** That the schema itself is sound is a matter for the tests; here it would double the time that every command starts with. */
export const OPTIONS = {
  ...{ allErrors: true, strict: false, verbose: true },
  ...{ validateSchema: false, meta: false, inlineRefs: false, code: { optimize: false } },
} as const;

/** Which keys go with which type: that part of the schema is for editors. Here it is checked later, in words. */
export function readSchema(text: string): object {
  const schema = JSON.parse(text) as { $defs: { location: { allOf?: unknown } } };
  delete schema.$defs.location.allOf;
  return schema;
}

/** A function that checks a tree against the schema of storage.yaml. */
export const compileSchema = (text: () => string): ValidateFunction => new Ajv2020(OPTIONS).compile(readSchema(text()));
