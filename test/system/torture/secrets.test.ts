import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { canary, filesIn, sightings } from "../../hostile/canaries.js";
import { type Echo, openEcho, quoting } from "../../hostile/echo.js";
import { figure, sized } from "../../support/figures.js";
import { type Sandbox, sandbox } from "../cli-run.js";

vi.setConfig({ testTimeout: sized(300_000, 4 * 3_600_000) });

const NAMED = ["KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL"];
const UNUSED = NAMED.flatMap((word) => [`MY_${word}`, `${word}_OF_CI`, `db${word.toLowerCase()}`, `X${word}S`]);
const FIELDS = [
  "S3_ID",
  "S3_SECRET",
  "S3_SESSION",
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AZURE_ACCOUNT",
  "AZURE_SAS",
  "AZURE_CONNECTION",
  "SUPABASE",
  "PLUGIN",
  "NESTED",
];
const FILES = ["GCS_PRIVATE", "GCS_PRIVATE_ID"];
const WRONG = [
  "URL_USER",
  "URL_SIGNED",
  "LITERAL_KEY",
  "LITERAL_SAS",
  "LITERAL_OPTION",
  "RULE_TOKEN",
  "TAG_PASSWORD",
  "CONNECTION_URL",
];
const CANARIES = new Map(
  [...UNUSED, ...FIELDS, ...FILES, ...WRONG, "DEBUG_SECRET"].map((name) => [name, canary(name)]),
);
const of = (name: string): string => CANARIES.get(name) ?? "";

/** Values of the variables that the good file names, beside those that it does not. */
const environment = (server: string): Record<string, string> => ({
  ...Object.fromEntries([...UNUSED, ...FIELDS, ...WRONG].map((name) => [name, of(name)])),
  AZURE_ACCOUNT: Buffer.from(of("AZURE_ACCOUNT")).toString("base64"),
  AZURE_SAS: `sv=2024-01-01&sig=${encodeURIComponent(of("AZURE_SAS"))}`,
  AZURE_CONNECTION: `AccountName=media;AccountKey=${Buffer.from(of("AZURE_CONNECTION")).toString("base64")};BlobEndpoint=${server}/media`,
  URL_USER: `https://ada:${of("URL_USER")}@s3.example.com`,
  URL_SIGNED: `https://s3.example.com/?X-Amz-Signature=${of("URL_SIGNED")}`,
  CONNECTION_URL: `AccountName=media;AccountKey=x;BlobEndpoint=http://u:${of("CONNECTION_URL")}@example.com/`,
});

const good = (server: string): string => `version: 1
settings: { settle: 0s, transfer: { retries: 1 }, lock: b, journal: b }
locations:
  - { name: a, type: local, path: a, priority: 100, purpose: [inbox] }
  - { name: b, type: local, path: b, purpose: [backup] }
  - { name: s3, type: s3, bucket: media, region: us-east-1, endpoint: "${server}", purpose: [backup],
      credentials: { access_key_id: "\${S3_ID}", secret_access_key: "\${S3_SECRET}", session_token: "\${S3_SESSION}" } }
  - { name: own, type: s3, bucket: mediaown, region: us-east-1, endpoint: "${server}", purpose: [backup] }
  - { name: azkey, type: azure, account: media, container: one, endpoint: "${server}/media", purpose: [backup], credentials: { account_key: "\${AZURE_ACCOUNT}" } }
  - { name: azsas, type: azure, account: media, container: two, endpoint: "${server}/media", purpose: [backup], credentials: { sas_token: "\${AZURE_SAS}" } }
  - { name: azcon, type: azure, account: media, container: tri, purpose: [backup], credentials: { connection_string: "\${AZURE_CONNECTION}" } }
  - { name: gcs, type: gcs, bucket: media, endpoint: "${server}", credentials_path: key.json, purpose: [backup] }
  - { name: supa, type: supabase, url: "${server}", bucket: media, key: "\${SUPABASE}", purpose: [backup] }
  - { name: plug, type: plugin, use: talkative, options: { token: "\${PLUGIN}", deep: { password: "\${NESTED}" } }, purpose: [backup] }
rules:
  - { name: all, match: { location: a }, action: copy, destination: [b, s3, own, supa, azkey] }
`;

/** Wrong in every way that shows a secret. */
const BAD = `version: 1
locations:
  - { name: a, type: s3, bucket: abc, endpoint: "\${URL_USER}", credentials: { access_key_id: "\${S3_ID}", secret_access_key: "LITERAL_KEY" } }
  - { name: b, type: s3, bucket: abd, endpoint: "\${URL_SIGNED}" }
  - { name: c, type: azure, account: media, container: abc, credentials: { sas_token: "sv=1&sig=LITERAL_SAS" } }
  - { name: d, type: plugin, use: x, options: { password: "LITERAL_OPTION" } }
  - { name: e, type: azure, account: media, container: abd, credentials: { connection_string: "\${CONNECTION_URL}" } }
rules:
  - { name: "\${RULE_TOKEN}", match: { tags: { any: ["\${TAG_PASSWORD}"] } }, action: keep }
`.replace(/LITERAL_\w+/g, (name) => of(name));

/** A plug-in whose errors tell everything that it was given. */
const PLUGIN = `export default () => ({ talkative: (location, tools) => {
  const fail = () => Promise.reject(new Error("no way in with " + JSON.stringify(location.options)));
  const refuse = async function* () { throw new tools.StowageError("ACCESS_DENIED", "refused: " + location.options.token, { hint: location.options.deep.password }); };
  const features = { foldsCase: false, foldsUnicode: false, hardLinks: false, mtimeGranularity: 1, maxNameBytes: 255, readsBack: false };
  return { location: location.name, features, marker: fail, writeMarker: fail, identity: fail, list: refuse, stat: fail, read: refuse, write: fail, remove: fail,
    space: fail, leftovers: refuse, purge: fail, close: async () => undefined };
} });
`;

const key = (): string =>
  JSON.stringify({
    ...{
      type: "service_account",
      project_id: "p",
      client_email: "x@p.iam.gserviceaccount.com",
      token_uri: "https://127.0.0.1:1/token",
    },
    ...{
      private_key_id: of("GCS_PRIVATE_ID"),
      private_key: `-----BEGIN PRIVATE KEY-----\n${of("GCS_PRIVATE")}\n-----END PRIVATE KEY-----\n`,
    },
  });

async function world(server: string): Promise<{ box: Sandbox; env: Record<string, string> }> {
  const box = sandbox({
    "storage.yaml": good(server),
    "bad.yaml": BAD,
    "key.json": key(),
    "a/photo.jpg": "a photo",
    "a/clip.mp4": "a clip",
  });
  mkdirSync(join(box.dir, "b"));
  mkdirSync(join(box.dir, "plugin"));
  const hooks = { "stowage:backends": "./hook.js" };
  writeFileSync(
    join(box.dir, "plugin/package.json"),
    JSON.stringify({ name: "talkative", version: "1.0.0", type: "module", oclif: { hooks } }),
  );
  writeFileSync(join(box.dir, "plugin/hook.js"), PLUGIN);
  const env = { ...environment(server), STOWAGE_DATA_DIR: join(box.dir, "data") };
  expect(await box.runWith({ env }, "plugins", "link", "./plugin")).toMatchObject({ code: 0 });
  return { box, env };
}

/** What holds the secrets on purpose. */
const SOURCES = ["bad.yaml", "key.json", "plugin"];

const COMMANDS: readonly (readonly string[])[] = [
  ["validate", "-v"],
  ["validate", "--config", "bad.yaml", "-v"],
  ["validate", "--config", "bad.yaml", "--json"],
  ["fmt", "--check", "--config", "bad.yaml"],
  ["init", "-v"],
  ["location", "check", "--json"],
  ["scan", "-v"],
  ["plan", "-o", "plan.ndjson", "-v"],
  ["show", "plan.ndjson", "--json"],
  ["apply", "plan.ndjson", "--json"],
  ["verify", "-v"],
  ["status", "--json"],
  ["history", "--json"],
  ["sql", "select * from storage_locations", "--json"],
  ["url", "s3:photo.jpg"],
  ["url", "gcs:photo.jpg", "--upload"],
  ["plan", "--format", "markdown"],
  ["location", "list"],
  ["find", "*"],
  ["whereis", "a:photo.jpg"],
  ["explain", "a:photo.jpg"],
  ["dupes"],
  ["lint"],
  ["unlock"],
  ["history", "--verify"],
  ["gc", "-v"],
];

describe("secrets", () => {
  it("of 40 and more, none is in any output, plan, journal, catalog, lock or crash, also when stores and plug-ins quote them", async () => {
    expect(CANARIES.size).toBeGreaterThanOrEqual(40);
    const values = environment("http://127.0.0.1");
    const knows = (kind: string) =>
      FIELDS.filter((name) => name.replace("AWS", "S3").toLowerCase().startsWith(kind)).map((name) => values[name]);
    const server = await openEcho(
      "127.0.0.1",
      quoting((kind) => knows(kind).join(" and ")),
    );
    onTestFinished(server.close);
    const { box, env } = await world(server.url);
    const said: { what: string; text: string }[] = [];
    for (const [index, args] of COMMANDS.entries()) {
      // A crash tells more when it is looked into.
      const debug: Record<string, string> = index % 3 === 0 ? { STOWAGE_DEBUG: "1" } : {};
      const { code, stdout, stderr } = await box.runWith({ env: { ...env, ...debug } }, ...args);
      said.push({ what: `${args.join(" ")} (exit ${code})`, text: stdout + stderr });
    }
    // What the requests were signed with is as good as a secret.
    const all = new Map([...CANARIES, ...signatures(server)]);
    expect(said.flatMap(({ what, text }) => sightings(text, all).map((name) => `${what}: ${name}`))).toEqual([]);
    for (const { path, bytes } of filesIn(box.dir, SOURCES)) expect(sightings(bytes, all), path).toEqual([]);
    figure("canaries", CANARIES.size);
    requireUsed(server, said);
  });

  it("are found by this test, where they are", () => {
    const secret = of("S3_SECRET");
    for (const text of [secret, encodeURIComponent(secret), Buffer.from(secret).toString("base64"), `x${secret}x`])
      expect(sightings(text, CANARIES)).toContain("S3_SECRET");
    expect(sightings("nothing", CANARIES)).toEqual([]);
  });
});

function* signatures({ seen }: Echo): Generator<[string, string]> {
  for (const [index, { headers, url }] of seen.entries()) {
    const signed = /(?:Signature=|media:|Bearer )([^\s,]{8,})$/.exec(headers.authorization ?? "")?.[1];
    if (signed !== undefined) yield [`the signature of request ${index}`, signed];
    const inUrl = /[?&](?:sig|X-Amz-Signature)=([^&]+)/.exec(url)?.[1];
    if (inUrl !== undefined) yield [`the signature in the address of request ${index}`, decodeURIComponent(inUrl)];
  }
}

/** Every secret was really on its way, and what was said shows that the quoting answers arrived. */
function requireUsed({ seen }: Echo, said: readonly { text: string }[]): void {
  const headers = seen.map((each) => JSON.stringify(each)).join("\n");
  for (const sent of [
    of("S3_ID"),
    of("S3_SESSION"),
    of("AWS_SESSION_TOKEN"),
    of("SUPABASE"),
    "SharedKey media:",
    "sig=",
  ])
    expect(headers).toContain(sent);
  const text = said.map((each) => each.text).join("\n");
  expect(text).toContain("You sent");
  expect(text).toContain("no way in with");
}
