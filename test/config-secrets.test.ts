import { describe, expect, it } from "vitest";
import { findings } from "../src/config/findings.js";
import { formatConfig } from "../src/config/format.js";
import { checkText, diagnosticLine } from "../src/config/load.js";

const FILE = "/etc/media/storage.yaml";
const CANARY = "Canary/4711+wJalrXUtnFEMI=";
const check = (text: string, env: Record<string, string> = {}) =>
  checkText(text, FILE, { env: { HOME: "/home/ada", ...env } });

/** The canary, and what lower case, quotes in JSON and line ends may make of it. */
const shows = (text: string): boolean => text.toLowerCase().includes("canary/4711") || /wjalrxutnfemi/i.test(text);

const s3 = (rest: string): string => `locations:\n  - name: a\n    type: s3\n    bucket: abc\n${rest}`;
const keys = (id: string, secret: string): string =>
  s3(`    credentials:\n      access_key_id: ${id}\n      secret_access_key: ${secret}\n`);
const azure = (credentials: string): string =>
  `locations:\n  - name: a\n    type: azure\n    account: media\n    container: abc\n    credentials: ${credentials}\n`;
const supabase = (key: string): string =>
  `locations:\n  - { name: a, type: supabase, url: "https://x.supabase.co", bucket: abc, key: ${key} }\n`;
const plugin = (options: string): string => `locations:\n  - { name: a, type: plugin, use: x, options: ${options} }\n`;
const ID = '"${AWS_ACCESS_KEY_ID}"';

describe("a secret that stands in the file is an error that does not show it", () => {
  it.each([
    ["an access key", keys(`"${CANARY}"`, ID)],
    ["a secret key", keys(ID, `"${CANARY}"`)],
    ["a plain text", keys(ID, CANARY)],
    ["a block text", keys(ID, `|\n        ${CANARY}`)],
    ["a folded text", keys(ID, `>-\n        ${CANARY}`)],
    ["single quotes", keys(ID, `'${CANARY}'`)],
    ["an escape", keys(ID, `"${CANARY.replace("J", "\\x4a")}"`)],
    ["a part before a variable", keys(ID, `"${CANARY}\${X}"`)],
    ["a part behind a variable", keys(ID, `"\${X}${CANARY}"`)],
    ["a default", keys(ID, `"\${X:-${CANARY}}"`)],
    ["braces around it", keys(ID, `"\${${CANARY}}"`)],
    ["a dollar before it", keys(ID, `"$$${CANARY}"`)],
    ["an open brace", keys(ID, `"\${${CANARY}"`)],
    ["an alias", `x: &x "${CANARY}"\n${keys(ID, "*x")}`],
    ["an alias of all credentials", `x: &x { secret_access_key: "${CANARY}" }\n${s3("    credentials: *x\n")}`],
    ["a session token", s3(`    credentials: { session_token: "${CANARY}" }\n`)],
    ["a list", keys(ID, `["${CANARY}"]`)],
    ["a mapping", keys(ID, `{ value: "${CANARY}" }`)],
    ["a text for all credentials", s3(`    credentials: "${CANARY}"\n`)],
    ["a wrong key among credentials", s3(`    credentials: { secret_acess_key: "${CANARY}" }\n`)],
    ["a key twice", keys(ID, `"\${X}"\n      secret_access_key: "${CANARY}"`)],
    ["credentials at the wrong level", s3(`    aws_secret_access_key: "${CANARY}"\n`)],
    ["older spelling", s3(`    config: { aws_access_key_id: ${ID}, aws_secret_access_key: "${CANARY}" }\n`)],
    ["older spelling without aws_", s3(`    config: { access_key_id: ${ID}, secret_access_key: "${CANARY}" }\n`)],
    ["credentials under config:", s3(`    config: { credentials: { secret_access_key: "${CANARY}" } }\n`)],
    ["storage: around it", `storage:\n  ${keys(ID, `"${CANARY}"`).trimEnd().replaceAll("\n", "\n  ")}\n`],
    ["a connection string", azure(`{ connection_string: "AccountName=media;AccountKey=${CANARY};" }`)],
    ["a connection string with a variable in it", azure(`{ connection_string: "${CANARY};AccountKey=\${X}" }`)],
    ["an account key", azure(`{ account_key: "${CANARY}" }`)],
    ["a SAS token", azure(`{ sas_token: "?sv=1&sig=${CANARY}" }`)],
    ["a key of Supabase", supabase(`"${CANARY}"`)],
    ["a key for another type", s3(`    key: "${CANARY}"\n`)],
    ["an option of a plug-in", plugin(`{ api_token: "${CANARY}" }`)],
    ["a deep option", plugin(`{ deep: [{ Secrets: { a: ["${CANARY}"] } }] }`)],
    ["an option with a default", plugin(`{ password: "\${X:-${CANARY}}" }`)],
    [
      "a secret that is the name of a location, too",
      `${keys(ID, `"${CANARY}"`)}  - { name: "${CANARY}", type: tape }\n`,
    ],
    ["a secret in a file that is no YAML", `${keys(ID, `"x"\n      } "${CANARY}"`)}`],
    ["a secret in a line that is no YAML", `${keys(ID, `"x" ${CANARY}`)}`],
    ["a secret behind an unclosed quote", keys(ID, `"${CANARY}`)],
  ])("%s", (_name, text) => {
    const { config, diagnostics } = check(text, { AWS_ACCESS_KEY_ID: "AKIA", X: "x" });
    expect(config).toBeUndefined();
    expect(diagnostics.some(({ severity }) => severity === "error")).toBe(true);
    const formatted = formatConfig(text, FILE);
    // A file with errors is left as it is: nothing is printed of it.
    expect(formatted.text).toBe(text);
    for (const said of [diagnostics, formatted.diagnostics]) {
      expect(shows(JSON.stringify(said))).toBe(false);
      expect(shows(said.map(diagnosticLine).join("\n"))).toBe(false);
    }
  });

  it.each([
    ["a secret in an endpoint", s3(`    endpoint: "https://key:${CANARY}@s3.example.com"\n`)],
    ["a secret in an endpoint that is none", s3(`    endpoint: "https:key:${CANARY}@ s3"\n`)],
    ["a signature in an address", supabase(`"\${X}"`).replace("supabase.co", `supabase.co/?sig=${CANARY}`)],
  ])("%s", (_name, text) => {
    const { config, diagnostics } = check(text, { X: "x" });
    expect(config).toBeUndefined();
    expect(shows(JSON.stringify(diagnostics))).toBe(false);
  });

  it("no finding shows a secret, not even one that became known after it", () => {
    const found = findings(FILE, "x");
    found.error("X", 0, `there is no "${CANARY}"`, `Did you mean "${CANARY.toUpperCase()}"?`);
    found.keepSecret(CANARY, "TOKEN");
    expect(found.list()).toMatchObject([{ message: 'there is no "${TOKEN}"', hint: 'Did you mean "${TOKEN}"?' }]);
  });

  it("says how to do it right", () => {
    const one = (text: string) => check(text, { AWS_ACCESS_KEY_ID: "AKIA" }).diagnostics;
    expect(one(keys(ID, "abcdefgh"))).toEqual([
      {
        severity: "error",
        code: "SECRET",
        message: '"secret_access_key" is a secret, which does not belong into this file',
        hint: 'Write secret_access_key: "${AWS_SECRET_ACCESS_KEY}" and set that variable. What was ever committed is to be replaced.',
        file: FILE,
        line: 7,
        column: 26,
      },
    ]);
    expect(one(supabase("abcdefgh"))[0]!.hint).toContain('key: "${SUPABASE_KEY}"');
    expect(one(azure("{ sas_token: 12345678 }"))[0]!.hint).toContain("${AZURE_STORAGE_SAS_TOKEN}");
    expect(one(plugin("{ api_token: abcdefgh }"))[0]!.hint).toContain('api_token: "${API_TOKEN}"');
    expect(one(s3("    config: { aws_session_token: abcdefgh }\n")).at(-1)!.hint).toContain("${AWS_SESSION_TOKEN:-}");
    expect(one(azure('{ account_key: "x${AWS_ACCESS_KEY_ID}" }'))[0]!.message).toContain(
      "one variable and nothing else",
    );
  });
});

describe("the value of a variable in a secret field goes nowhere", () => {
  // None of these is named like a secret: the field makes them one.
  const env = { A: CANARY, B: CANARY, NAS: "/mnt/nas" };
  const fine = [
    ["credentials of S3", keys('"${A}"', '"${B:?ask the owner}"')],
    ["older spelling", s3('    config: { aws_access_key_id: "${A}", aws_secret_access_key: "${B}" }\n')],
    ["an account key", azure('{ account_key: "${A}" }')],
    ["a SAS token", azure('{ sas_token: "${A}" }')],
    ["a key of Supabase", supabase('"${A}"')],
    ["options of a plug-in", plugin('{ folder: x, key: "${A}", deep: [{ tokens: ["${B}"] }], key_check: true }')],
  ] as const;

  it.each(fine)("%s: not into the digest, nor what fmt prints", (_name, text) => {
    const { config, diagnostics } = check(text, env);
    expect(diagnostics).toEqual([]);
    expect(JSON.stringify(config!.locations[0]!.store)).toContain("Canary/4711");
    expect(shows(config!.locations[0]!.root)).toBe(false);
    expect(config!.digest).toBe(check(text, { ...env, A: "other-value", B: "another-value" }).config!.digest);
    const formatted = formatConfig(text, FILE);
    expect(formatted.diagnostics).toEqual([]);
    expect(shows(formatted.text)).toBe(false);
    expect(formatted.text).toContain("${A}");
  });

  it.each([
    ["a type that is none", keys('"${A}"', '"${B}"').replace("s3", '"${A}"')],
    ["a bucket", keys('"${A}"', '"${B}"').replace("abc", '"${A}"')],
    ["a bucket before it", `${s3("").replace("abc", '"x/${A}"')}    credentials: { access_key_id: "\${A}" }\n`],
    ["a prefix", `${keys('"${A}"', '"${B}"')}    prefix: "/\${A}"\n`],
    ["a name", keys('"${A}"', '"${B}"').replace("name: a", 'name: "${A}:"')],
    ["a number", `${keys('"${A}"', '"${B}"')}    priority: "\${A}"\n`],
    [
      "a match",
      `${keys('"${A}"', '"${B}"')}rules:\n  - { match: { size: "\${A}..\${B}", tags: "[\${A}" }, action: keep }\n`,
    ],
    ["a storage class", `${keys('"${A}"', '"${B}"')}    storage_class: "\${A}"\n`],
    ["a time", `${keys('"${A}"', '"${B}"')}    windows: ["\${A}-\${B}"]\n`],
    ["a rate", `settings: { transfer: { bandwidth: { "08:00": "\${A}" } } }\n${keys('"${A}"', '"${B}"')}`],
    ["a path", `${keys('"${A}"', '"${B}"')}  - { name: b, type: local, path: "/\${A}" }\n`],
    ["an endpoint", `${keys('"${A}"', '"${B}"')}    endpoint: "http://\${A}.example.com"\n`],
    ["credentials in place of a mapping", s3('    credentials: "${A}"\n')],
    ["a connection string for another account", azure('{ connection_string: "${C}" }')],
  ])("%s: not into what is said about other values", (_name, text) => {
    const { config, diagnostics } = check(text, { ...env, C: `AccountName=other;AccountKey=${CANARY}` });
    expect(config).toBeUndefined();
    expect(diagnostics.length).toBeGreaterThan(0);
    expect(shows(JSON.stringify(diagnostics))).toBe(false);
    expect(shows(formatConfig(text, FILE).text)).toBe(false);
  });

  it("a variable that holds a secret is one everywhere", () => {
    const text = `${keys('"${A}"', '"${B}"')}    prefix: "x/\${A}"\n`;
    expect(check(text, env).diagnostics).toMatchObject([
      {
        severity: "error",
        code: "SECRET",
        message: "the variable A holds a secret (line 6), and a value here would be shown",
        line: 8,
      },
    ]);
  });

  it("variables named like secrets may stand where no secret is, if it is shown nowhere", () => {
    const text = `locations:
  - { name: a, type: s3, bucket: abc, encryption: { kms_key: "\${KMS_KEY_ID}" } }
  - { name: b, type: gcs, bucket: abc, credentials_path: "\${GOOGLE_APPLICATION_CREDENTIALS}" }
`;
    const named = { KMS_KEY_ID: CANARY, GOOGLE_APPLICATION_CREDENTIALS: `/etc/${CANARY}.json` };
    const { config, diagnostics } = check(text, named);
    expect(diagnostics).toEqual([]);
    expect(config!.locations[0]!.store).toMatchObject({ encryption: { kind: "sse-kms", kmsKey: CANARY } });
    expect(check(text.replace("bucket: abc", "bucket: /"), named).diagnostics).toHaveLength(1);
    for (const place of ["prefix", "region", "name", "domain"]) {
      const said = check(`locations:\n  - { type: s3, bucket: abc, ${place}: "\${KMS_KEY_ID}" }\n`, named).diagnostics;
      expect(said.map(({ code }) => code)).toContain("SECRET");
      expect(shows(JSON.stringify(said))).toBe(false);
    }
  });

  it("in a secret field, a variable has to have a value; a session token may be empty", () => {
    const text = s3(
      '    credentials: { access_key_id: "${A}", secret_access_key: "${B}", session_token: "${TOKEN:-}" }\n',
    );
    expect(check(text, { A: "a", B: "b" }).diagnostics).toEqual([]);
    expect(check(text, { A: "a", B: "" }).diagnostics).toMatchObject([{ message: '"secret_access_key" is empty' }]);
    expect(check(text, { A: "a" }).diagnostics).toMatchObject([{ message: "the variable B is not set" }]);
  });
});
