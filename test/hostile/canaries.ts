import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** Texts that stand nowhere but where a secret belongs; some with signs that are written otherwise in URLs and JSON. */
export const canary = (name: string): string => {
  const hash = createHash("sha256").update(`canary of ${name}`).digest("base64url").replace(/[-_]/g, "x");
  return `Cnry${hash.slice(0, 14)}+/${hash.slice(14, 24)}`;
};

const spellings = (secret: string): string[] => {
  const base64 = Buffer.from(secret).toString("base64");
  const encoded = encodeURIComponent(secret);
  return [
    secret,
    encoded,
    encoded.toLowerCase(),
    base64,
    base64.replace(/=+$/, ""),
    Buffer.from(secret).toString("base64url"),
    Buffer.from(secret).toString("hex"),
  ];
};

/** The canaries that a text or a file holds in any spelling. */
export function sightings(haystack: Buffer | string, canaries: ReadonlyMap<string, string>): string[] {
  const bytes = Buffer.from(haystack);
  return [...canaries].flatMap(([name, secret]) =>
    spellings(secret).some((each) => bytes.includes(each)) ? [name] : [],
  );
}

/** Every file below a folder. */
export function* filesIn(folder: string, except: readonly string[]): Generator<{ path: string; bytes: Buffer }> {
  for (const name of readdirSync(folder).sort()) {
    if (except.includes(name)) continue;
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* filesIn(path, []);
    else yield { path, bytes: readFileSync(path) };
  }
}
