import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Config, Location } from "../src/config/config.js";
import { checkText } from "../src/config/load.js";
import { KEYS } from "../src/config/location-keys.js";
import { compileMatch } from "../src/config/match.js";

const ENV = {
  HOME: "/home/ada",
  AWS_ACCESS_KEY_ID: "AKIA-of-the-test",
  AWS_SECRET_ACCESS_KEY: "wJalr-of-the-test",
  AWS_SESSION_TOKEN: "",
  AZURE_STORAGE_CONNECTION_STRING: "DefaultEndpointsProtocol=https;AccountName=media;AccountKey=Zm9v;",
  AZURE_STORAGE_KEY: "Zm9vYmFy",
  SUPABASE_KEY: "eyJhbGciOi",
  KMS_KEY_ID: "alias/media",
  GOOGLE_APPLICATION_CREDENTIALS: "~/keys/media.json",
  BROKEN: "abc\n",
  EMPTY: "",
};
const check = (text: string, env: Record<string, string> = ENV) => checkText(text, "/etc/media/storage.yaml", { env });
const at = (...lines: string[]): string => `locations:\n${lines.map((line) => `  - { ${line} }\n`).join("")}`;

const found = (text: string): string[] =>
  check(text).diagnostics.map(
    ({ severity, line, column, code, message }) =>
      `${line}:${column} ${severity === "warning" ? "warning " : ""}${code} ${message}`,
  );
const hintOf = (text: string): string | undefined => check(text).diagnostics[0]?.hint;

function configOf(text: string): Config {
  const { config, diagnostics } = check(text);
  expect(diagnostics).toEqual([]);
  return config!;
}
const locationOf = (line: string): Location => configOf(at(line)).locations[0]!;

describe("a location that is a bucket", () => {
  it.each([
    [
      "s3, with everything",
      'name: a, type: s3, bucket: my-ai-archive, prefix: images, region: us-west-2, endpoint: "https://s3.example.com/", force_path_style: true, storage_class: COLD, encryption: { kms_key: "${KMS_KEY_ID}" }, credentials: { access_key_id: "${AWS_ACCESS_KEY_ID}", secret_access_key: "${AWS_SECRET_ACCESS_KEY}", session_token: "${AWS_SESSION_TOKEN:-}" }',
      "s3://my-ai-archive/images/",
      {
        type: "s3",
        bucket: "my-ai-archive",
        prefix: "images/",
        region: "us-west-2",
        endpoint: "https://s3.example.com",
        forcePathStyle: true,
        storageClass: "COLD",
        encryption: { kind: "sse-kms", kmsKey: "alias/media" },
        credentials: { accessKeyId: ENV.AWS_ACCESS_KEY_ID, secretAccessKey: ENV.AWS_SECRET_ACCESS_KEY },
      },
    ],
    ["s3, with nothing", "name: a, type: s3, bucket: abc", "s3://abc/", { type: "s3", bucket: "abc", prefix: "" }],
    [
      "s3, with a profile and the provider's own key",
      "name: a, type: s3, bucket: abc, profile: media, encryption: sse-s3",
      "s3://abc/",
      { type: "s3", bucket: "abc", prefix: "", profile: "media", encryption: { kind: "sse-s3" } },
    ],
    [
      "s3, with the account's key",
      "name: a, type: s3, bucket: abc, encryption: sse-kms",
      "s3://abc/",
      { type: "s3", bucket: "abc", prefix: "", encryption: { kind: "sse-kms" } },
    ],
    [
      "gcs",
      'name: a, type: gcs, project: p, bucket: my-ai-mirror, prefix: a/b/, storage_class: NEARLINE, encryption: { kms_key: k }, credentials_path: "${GOOGLE_APPLICATION_CREDENTIALS}"',
      "gs://my-ai-mirror/a/b/",
      {
        type: "gcs",
        bucket: "my-ai-mirror",
        prefix: "a/b/",
        project: "p",
        credentialsPath: "/home/ada/keys/media.json",
        storageClass: "NEARLINE",
        kmsKey: "k",
      },
    ],
    [
      "azure",
      'name: a, type: azure, account: media, container: pictures, storage_class: Cool, credentials: { connection_string: "${AZURE_STORAGE_CONNECTION_STRING}" }',
      "azure://media/pictures/",
      {
        type: "azure",
        account: "media",
        container: "pictures",
        prefix: "",
        storageClass: "Cool",
        credentials: { connectionString: ENV.AZURE_STORAGE_CONNECTION_STRING },
      },
    ],
    [
      "supabase",
      'name: a, type: supabase, url: "https://abc.supabase.co/", bucket: boards, prefix: x, key: "${SUPABASE_KEY}"',
      "supabase://abc.supabase.co/boards/x/",
      { type: "supabase", url: "https://abc.supabase.co", bucket: "boards", prefix: "x/", key: ENV.SUPABASE_KEY },
    ],
    [
      "plugin",
      'name: a, type: plugin, use: vault, options: { folder: ./vault, key: "${SUPABASE_KEY}", deep: [{ n: 1 }] }',
      "plugin:vault",
      {
        type: "plugin",
        use: "vault",
        options: { folder: "./vault", key: ENV.SUPABASE_KEY, deep: [{ n: 1 }] },
      },
    ],
  ])("%s", (_name, line, root, store) => {
    const location = locationOf(line);
    expect(location.root).toBe(root);
    expect(JSON.parse(JSON.stringify(location.store))).toEqual(store);
  });

  it("has layout, exclude, domain, read_only, status, verify, windows and max as every other", () => {
    const location = locationOf(
      'name: a, type: s3, bucket: abc, layout: "{project}/**", exclude: "*.tmp", domain: aws, read_only: true, status: draining, verify: { every: 90d, method: checksum }, windows: ["22:00-06:00", "12:00-24:00"], capacity: { max: 1TB }, allow_unconditional_delete: true',
    );
    expect(location).toMatchObject({
      layout: { captures: ["project"] },
      exclude: [{ glob: "*.tmp" }],
      domain: "aws",
      readOnly: true,
      status: "draining",
      verify: { every: 90 * 86_400_000, method: "checksum" },
      windows: [
        { from: 22 * 60, to: 6 * 60 },
        { from: 12 * 60, to: 0 },
      ],
      capacity: { max: 1e12 },
      allowUnconditionalDelete: true,
    });
  });

  it.each([
    [
      "path of a bucket is its name, config: lies beside it, and keys of AWS are credentials",
      `locations:
  - name: "S3 Archive"
    type: "s3"
    path: "my-bucket-name"
    priority: 50
    config:
      aws_access_key_id: "\${AWS_ACCESS_KEY_ID}"
      aws_secret_access_key: "\${AWS_SECRET_ACCESS_KEY}"
      region: "us-west-2"
      prefix: "alice/"
`,
      {
        type: "s3",
        bucket: "my-bucket-name",
        prefix: "alice/",
        region: "us-west-2",
        credentials: { accessKeyId: ENV.AWS_ACCESS_KEY_ID, secretAccessKey: ENV.AWS_SECRET_ACCESS_KEY },
      },
    ],
    [
      "a key file under config:",
      `storage:
  locations:
    - name: "GCS Backup"
      type: "gcs"
      path: "my-bucket-name"
      config: { credentials_path: "~/path/to/key.json", prefix: "alice/" }
`,
      { type: "gcs", bucket: "my-bucket-name", prefix: "alice/", credentialsPath: "/home/ada/path/to/key.json" },
    ],
    [
      "all of Supabase under config:",
      `locations:
  - name: supabase
    type: supabase
    config:
      url: https://abc.supabase.co
      key: "\${SUPABASE_KEY}"
      bucket: "boards-artifacts"
`,
      {
        type: "supabase",
        url: "https://abc.supabase.co",
        bucket: "boards-artifacts",
        prefix: "",
        key: ENV.SUPABASE_KEY,
      },
    ],
    [
      "credentials without aws_ under config:",
      `locations:
  - name: s3
    type: s3
    config: { bucket: boards-prod-artifacts, access_key_id: "\${AWS_ACCESS_KEY_ID}", secret_access_key: "\${AWS_SECRET_ACCESS_KEY}" }
`,
      {
        type: "s3",
        bucket: "boards-prod-artifacts",
        prefix: "",
        credentials: { accessKeyId: ENV.AWS_ACCESS_KEY_ID, secretAccessKey: ENV.AWS_SECRET_ACCESS_KEY },
      },
    ],
  ])("reads older spellings: %s", (_name, text, store) => expect(configOf(text).locations[0]!.store).toEqual(store));

  it.each([
    ["type: s3", ['2:5 MISSING_KEY the location "a" needs "bucket"']],
    ["type: gcs", ['2:5 MISSING_KEY the location "a" needs "bucket"']],
    [
      "type: azure",
      ['2:5 MISSING_KEY the location "a" needs "account"', '2:5 MISSING_KEY the location "a" needs "container"'],
    ],
    [
      "type: supabase",
      [
        '2:5 MISSING_KEY the location "a" needs "url"',
        '2:5 MISSING_KEY the location "a" needs "bucket"',
        '2:5 MISSING_KEY the location "a" needs "key"',
      ],
    ],
    ["type: plugin", ['2:5 MISSING_KEY the location "a" needs "use"']],
    ["type: local, bucket: abc", ['2:29 WRONG_KEY a local location has its directory in "path"']],
    ["type: local, path: /a, region: x", ['2:39 WRONG_KEY "region" is for s3 locations, not for local']],
    [
      "type: local, path: /a, prefix: x",
      ['2:39 WRONG_KEY "prefix" is for s3, gcs, azure and supabase locations, not for local'],
    ],
    [
      "type: network, mount_path: /a, allow_unconditional_delete: true",
      [
        '2:47 WRONG_KEY "allow_unconditional_delete" is for s3, gcs, azure, supabase and plugin locations, not for network',
      ],
    ],
    ["type: s3, bucket: abc, path: /a", ['2:39 WRONG_KEY an s3 location has its files in "bucket"']],
    ["type: s3, mount_path: abc", ['2:26 WRONG_KEY an s3 location has its files in "bucket"']],
    ["type: s3, container: abc", ['2:26 WRONG_KEY an s3 location has its files in "bucket"']],
    ["type: azure, account: media, path: abc", ['2:45 WRONG_KEY an azure location has its files in "container"']],
    ["type: azure, account: media, bucket: abc", ['2:45 WRONG_KEY an azure location has its files in "container"']],
    ["type: s3, bucket: abc, url: x", ['2:39 WRONG_KEY "url" is for supabase locations, not for s3']],
    [
      "type: plugin, use: x, prefix: y",
      ['2:38 WRONG_KEY "prefix" is for s3, gcs, azure and supabase locations, not for plugin'],
    ],
    [
      'type: s3, bucket: abc, credentials: { account_key: "${AZURE_STORAGE_KEY}" }',
      [
        '2:52 MISSING_KEY the credentials need "access_key_id"',
        '2:52 MISSING_KEY the credentials need "secret_access_key"',
        '2:54 WRONG_KEY "account_key" is not for s3 locations',
      ],
    ],
    [
      'type: s3, bucket: abc, profile: p, credentials: { access_key_id: "${AWS_ACCESS_KEY_ID}" }',
      [
        '2:39 WRONG_KEY "profile" and "credentials" exclude each other',
        '2:64 MISSING_KEY the credentials need "secret_access_key"',
      ],
    ],
    [
      'type: azure, account: other, container: abc, credentials: { connection_string: "${AZURE_STORAGE_CONNECTION_STRING}" }',
      ['2:95 WRONG_VALUE the connection string is not for the account "other"'],
    ],
    [
      'type: azure, account: media, container: abc, credentials: { sas_token: "${AZURE_STORAGE_KEY}", account_key: "${AZURE_STORAGE_KEY}" }',
      ["2:61 WRONG_KEY one of the credentials is enough"],
    ],
    [
      'type: azure, account: media, container: abc, credentials: { account_key: "${BROKEN}" }',
      ['2:89 WRONG_VALUE the value of "account_key" has white space around it or in it'],
    ],
    [
      'type: azure, account: media, container: abc, credentials: { account_key: "${EMPTY}" }',
      ['2:89 WRONG_VALUE "account_key" is empty'],
    ],
    ["type: azure, account: media, container: abc, credentials: {}", ['2:74 WRONG_VALUE "credentials" is empty']],
    ["type: s3, bucket: abc, encryption: aes", ['2:51 WRONG_VALUE "encryption" must be sse-s3 or sse-kms, not "aes"']],
    ["type: s3, bucket: abc, encryption: {}", ['2:51 MISSING_KEY "encryption" needs "kms_key"']],
    [
      "type: gcs, bucket: abc, encryption: sse-kms",
      ["2:52 WRONG_VALUE a gcs location is encrypted anyway; a key of one's own is named"],
    ],
    ["type: gcs, bucket: abc, storage_class: nearline", ['2:55 WRONG_VALUE there is no storage class "nearline"']],
    [
      "type: azure, account: media, container: abc, storage_class: hot",
      ['2:76 WRONG_VALUE there is no storage class "hot"'],
    ],
    [
      "type: s3, bucket: abc, storage_class: STANDARD_AI",
      ['2:54 warning UNKNOWN_VALUE there is no storage class "STANDARD_AI"'],
    ],
    ["type: s3, bucket: s3://abc/x/", ['2:34 WRONG_VALUE "s3://abc/x/" is no name of a bucket']],
    ["type: s3, path: /mnt/x", ['2:32 WRONG_VALUE "/mnt/x" is no name of a bucket']],
    [
      "type: azure, account: Media, container: A_B",
      ['2:38 WRONG_VALUE "Media" is no name of an account', '2:56 WRONG_VALUE "A_B" is no name of a container'],
    ],
    ["type: s3, bucket: abc, prefix: /x", ['2:47 WRONG_VALUE the prefix "/x" starts with /']],
    ["type: s3, bucket: abc, prefix: x//y", ['2:47 WRONG_VALUE the prefix "x//y" contains //']],
    ["type: s3, bucket: abc, prefix: x//", ['2:47 WRONG_VALUE the prefix "x//" contains //']],
    ["type: s3, bucket: abc, prefix: ../x", ['2:47 WRONG_VALUE the prefix "../x" contains "." or ".."']],
    ["type: s3, bucket: abc, prefix: x/./", ['2:47 WRONG_VALUE the prefix "x/./" contains "." or ".."']],
    [
      "type: s3, bucket: abc, prefix: .stowage-trash/",
      [`2:47 WRONG_VALUE the prefix ".stowage-trash/" is for stowage's own objects`],
    ],
    [
      "type: s3, bucket: abc, capacity: { keep_free: 10% }",
      ['2:51 warning NO_EFFECT "keep_free" has no effect here: a bucket is never full'],
    ],
    ["type: local, path: /a, windows: []", ['2:48 WRONG_VALUE "windows" is empty']],
    [
      "type: local, path: /a, windows: ['6:00-7:00', '22:00', '10:00-10:00', '00:00-24:00', '25:00-01:00']",
      [
        '2:49 BAD_VALUE "6:00" is no time of the day',
        '2:62 BAD_VALUE "22:00" is no part of a day',
        '2:71 BAD_VALUE "10:00-10:00" is empty',
        '2:101 BAD_VALUE "25:00" is no time of the day',
      ],
    ],
  ])("%s", (line, expected) => expect(found(at(`name: a, ${line}`))).toEqual(expected));

  it.each([
    ["type: azure, account: media, bucket: abc", 'Rename "bucket" to "container".'],
    ["type: s3, container: abc", 'Rename "container" to "bucket".'],
    ["type: local, bucket: abc", 'Write "path", or another type.'],
    ["type: network, path: /a", 'Rename "path" to "mount_path".'],
    ["type: s3, bucket: abc, path: x", 'Remove "path".'],
    ["type: s3, bucket: abc, url: x", 'Write "endpoint" in its place.'],
    [
      "type: gcs, bucket: abc, credentials: { account_key: '${AZURE_STORAGE_KEY}' }",
      'Write "credentials_path" in its place.',
    ],
    ["type: s3, bucket: s3://abc/x/", "Write bucket: abc, prefix: x/."],
    ["type: s3, path: ~/x", "A directory is a location of the type local or network."],
    ["type: s3, bucket: abc, prefix: /x", 'Write "x".'],
    ["type: gcs, bucket: abc, storage_class: nearline", 'Did you mean "NEARLINE"?'],
    ["type: s3, buckte: abc", 'Did you mean "bucket"?'],
    ["type: local, path: /a, buckte: abc", undefined],
    ["type: s3, bucket: abc, aws_access_key_id: '${AWS_ACCESS_KEY_ID}'", "Write credentials: { access_key_id: … }."],
  ])("%s: says what to do", (line, hint) => {
    const said = check(at(`name: a, ${line}`)).diagnostics.map((each) => each.hint);
    if (hint === undefined) expect(said).toEqual([undefined]);
    else expect(said).toContain(hint);
  });
});

describe("an endpoint", () => {
  const s3 = (endpoint: string): string => at(`name: a, type: s3, bucket: abc, endpoint: "${endpoint}"`);
  it.each([
    ["https://minio.example.com:9000/x/"],
    ["http://127.0.0.1:7480"],
    ["http://127.9.9.9"],
    ["http://localhost:9000"],
    ["http://s3.localhost:9000"],
    ["http://[::1]:9000"],
  ])("%s is fine", (endpoint) => expect(found(s3(endpoint))).toEqual([]));

  it.each([
    ["localhost:9000", "this is no http or https address"],
    ["s3.example.com", "this is no http or https address"],
    ["ftp://x", "this is no http or https address"],
    ["file:///etc", "this is no http or https address"],
    ["https://", "this is no http or https address"],
    ["https://user:hunter2@s3.example.com", "user name or password"],
    ["https://hunter2@s3.example.com", "user name or password"],
    ["https://s3.example.com/?sig=hunter2", "has a query"],
    ["https://s3.example.com/#hunter2", "has a query"],
    ["http://169.254.169.254", "metadata service"],
    ["http://169.254.169.254:80/latest", "metadata service"],
    ["http://2852039166/", "metadata service"],
    ["http://0xa9.0xfe.0xa9.0xfe/", "metadata service"],
    ["http://0251.0376.0251.0376/", "metadata service"],
    ["http://[fd00:ec2::254]/", "metadata service"],
    ["http://[fd00:ec2:0:0:0:0:0:254]/", "metadata service"],
    ["http://[::ffff:169.254.169.254]/", "metadata service"],
    ["http://metadata.google.internal/", "metadata service"],
    ["http://METADATA.google.internal./", "metadata service"],
  ])("%s is refused, and not shown", (endpoint, message) => {
    for (const text of [
      s3(endpoint),
      at(`name: a, type: gcs, bucket: abc, endpoint: "${endpoint}"`),
      at(`name: a, type: azure, account: media, container: abc, endpoint: "${endpoint}"`),
      at(`name: a, type: supabase, bucket: abc, key: "\${SUPABASE_KEY}", url: "${endpoint}"`),
    ]) {
      const { diagnostics, config } = check(text);
      expect(config).toBeUndefined();
      expect(diagnostics).toMatchObject([{ severity: "error", message: expect.stringContaining(message) }]);
      expect(JSON.stringify(diagnostics)).not.toContain("hunter2");
    }
  });

  it("is refused in a connection string, too", () => {
    const text = at('name: a, type: azure, account: media, container: abc, credentials: { connection_string: "${C}" }');
    const { diagnostics } = check(text, {
      C: "AccountName=media;BlobEndpoint=http://169.254.169.254/;AccountKey=hunter2",
    });
    expect(diagnostics).toMatchObject([{ message: expect.stringContaining("metadata service") }]);
    expect(JSON.stringify(diagnostics)).not.toContain("hunter2");
  });

  it.each([
    "http://minio.example.com",
    "http://10.0.0.5:9000",
    "http://localhost.example.com",
  ])("%s is a warning: anybody on the way can read it", (endpoint) =>
    expect(check(s3(endpoint))).toMatchObject({
      config: {},
      diagnostics: [{ severity: "warning", code: "INSECURE", hint: "Write https." }],
    }));
});

describe("one bucket twice is one storage (S14)", () => {
  it.each([
    ["the same", "type: s3, bucket: abc", "type: s3, bucket: abc", "SAME_ROOT"],
    ["the same prefix", "type: s3, bucket: abc, prefix: x", "type: s3, bucket: abc, prefix: x/", "SAME_ROOT"],
    ["all of it and a part", "type: s3, bucket: abc", "type: s3, bucket: abc, prefix: x/", "NESTED_ROOT"],
    ["a part and its part", "type: s3, bucket: abc, prefix: x/y", "type: s3, bucket: abc, prefix: x", "NESTED_ROOT"],
    ["another region", "type: s3, bucket: abc, region: eu-west-1", "type: s3, bucket: abc", "SAME_ROOT"],
    [
      "AWS by name",
      "type: s3, bucket: abc",
      'type: s3, bucket: abc, endpoint: "https://s3.eu-west-1.amazonaws.com"',
      "SAME_ROOT",
    ],
    [
      "one endpoint, spelled in two ways",
      'type: s3, bucket: abc, endpoint: "https://S3.example.com:443/"',
      'type: s3, bucket: abc, endpoint: "https://s3.example.com"',
      "SAME_ROOT",
    ],
    [
      "this machine, by two names",
      'type: s3, bucket: abc, endpoint: "http://localhost:9000"',
      'type: s3, bucket: abc, endpoint: "http://127.0.0.1:9000"',
      "SAME_ROOT",
    ],
    ["gcs", "type: gcs, bucket: abc, project: p", "type: gcs, bucket: abc", "SAME_ROOT"],
    [
      "gcs, spoken to as s3",
      "type: gcs, bucket: abc",
      'type: s3, bucket: abc, endpoint: "https://storage.googleapis.com"',
      "SAME_ROOT",
    ],
    [
      "azure",
      "type: azure, account: media, container: abc, prefix: x",
      "type: azure, account: media, container: abc",
      "NESTED_ROOT",
    ],
    [
      "supabase",
      'type: supabase, url: "https://r.supabase.co", bucket: abc, key: "${SUPABASE_KEY}"',
      'type: supabase, url: "https://r.supabase.co/", bucket: abc, key: "${SUPABASE_KEY}"',
      "SAME_ROOT",
    ],
    [
      "supabase, spoken to as s3",
      'type: supabase, url: "https://r.supabase.co", bucket: abc, key: "${SUPABASE_KEY}"',
      'type: s3, bucket: abc, endpoint: "https://r.storage.supabase.co/storage/v1/s3"',
      "SAME_ROOT",
    ],
  ])("%s", (_name, one, other, code) => {
    const said = found(at(`name: a, ${one}`, `name: b, ${other}`));
    expect(said).toEqual([expect.stringMatching(new RegExp(`^3:\\d+ ${code} `))]);
    expect(found(at(`name: a, ${one}`, `name: b, status: retired, ${other}`))).toEqual([]);
  });

  it.each([
    ["two buckets", "type: s3, bucket: abc", "type: s3, bucket: abd"],
    ["two stores", "type: s3, bucket: abc", 'type: s3, bucket: abc, endpoint: "https://s3.example.com"'],
    ["two partitions", "type: s3, bucket: abc", "type: s3, bucket: abc, region: us-gov-west-1"],
    ["two providers", "type: s3, bucket: abc", "type: gcs, bucket: abc"],
    [
      "two ports",
      'type: s3, bucket: abc, endpoint: "http://localhost:9000"',
      'type: s3, bucket: abc, endpoint: "http://localhost:9001"',
    ],
    ["two accounts", "type: azure, account: media, container: abc", "type: azure, account: media2, container: abc"],
    [
      "two emulators",
      'type: azure, account: devstoreaccount1, container: abc, endpoint: "http://127.0.0.1:1/devstoreaccount1"',
      'type: azure, account: devstoreaccount1, container: abc, endpoint: "http://127.0.0.1:2/devstoreaccount1"',
    ],
    [
      "two parts in one domain",
      "type: s3, bucket: abc, prefix: x, domain: d",
      "type: s3, bucket: abc, prefix: xy, domain: d",
    ],
    ["two plug-ins", "type: plugin, use: x", "type: plugin, use: x"],
  ])("but not %s", (_name, one, other) => expect(found(at(`name: a, ${one}`, `name: b, ${other}`))).toEqual([]));

  it("two parts of one bucket can be lost together: a warning where they could count as two", () => {
    const text = at("name: a, type: s3, bucket: abc, prefix: x", "name: b, type: s3, bucket: abc, prefix: xy");
    expect(found(text)).toEqual(['3:34 warning SHARED_BUCKET "b" and "a" lie in one bucket, and can be lost together']);
    expect(hintOf(text)).toContain("same `domain`");
    expect(check(text).config).toBeDefined();
  });
});

describe("bandwidth", () => {
  const MIB = 1024 * 1024;
  const settings = (bandwidth: string): string =>
    `settings: { transfer: { bandwidth: ${bandwidth} } }\n${at("name: a, type: local, path: /a")}`;
  it.each([
    ["5MiB/s", [{ from: 0, rate: 5 * MIB }]],
    ["unlimited", undefined],
    ['{ "08:00": unlimited }', undefined],
    [
      '{ "22:00": unlimited, "08:00": 5MiB/s, 12:30: 500 KB/s }',
      [{ from: 480, rate: 5 * MIB }, { from: 750, rate: 500_000 }, { from: 1320 }],
    ],
  ])("%s", (text, expected) => expect(configOf(settings(text)).settings.transfer.bandwidth).toEqual(expected));

  it.each([
    ["5MiB", '1:36 BAD_VALUE "5MiB" is no rate'],
    ["5", '1:36 WRONG_TYPE "bandwidth" must be a text, not 5'],
    ["[]", '1:36 WRONG_TYPE "bandwidth" must be a text, not a list'],
    ["{}", '1:36 WRONG_VALUE "bandwidth" is empty'],
    ['{ "8:00": 1MB/s, "24:00": 1MB/s }', '1:38 BAD_VALUE "8:00" is no time of the day'],
    ['{ "08:00": 0MB/s }', '1:47 BAD_VALUE "0MB/s" would never end'],
    ['{ "08:00": 10Mbit/s }', '1:47 BAD_VALUE "10Mbit/s" counts bits'],
    ['{ "08:00": 1MB/s, "08:00": 2MB/s }', '1:54 DUPLICATE_KEY the key "08:00" is there twice'],
  ])("%s is refused", (text, first) => expect(found(settings(text))[0]).toBe(first));
});

describe("tags and stars", () => {
  const leaf = (match: object): unknown => compileMatch(match);
  const tag = (source: string) => ({ op: "tag", field: "tags", source });

  it("one, a list of which any may be there, or any, all and none", () => {
    expect(leaf({ tags: "hero*" })).toMatchObject({ ...tag("hero*"), pattern: { re2: "(?s)hero.*" } });
    expect(leaf({ tags: ["a", "b"] })).toMatchObject({ op: "any", of: [tag("a"), tag("b")] });
    expect(leaf({ "tags.contains": ["a", "b"] })).toMatchObject({ op: "any", of: [tag("a"), tag("b")] });
    expect(leaf({ tags: { all: "a" } })).toMatchObject(tag("a"));
    expect(leaf({ tags: { any: ["a", "b"], all: ["c", "d"], none: ["e", "f"] } })).toMatchObject({
      op: "all",
      of: [
        { op: "any", of: [tag("a"), tag("b")] },
        tag("c"),
        tag("d"),
        { op: "not", of: { op: "any", of: [tag("e"), tag("f")] } },
      ],
    });
    expect(leaf({ stars: ">=4" })).toMatchObject({
      op: "range",
      field: "stars",
      range: { min: { value: 4, inclusive: true } },
      source: ">=4",
    });
    expect(leaf({ stars: ["1..2", 5] })).toMatchObject({ op: "any", of: [{ field: "stars" }, { field: "stars" }] });
  });

  it.each([
    [{ tags: { some: "a" } }, /unknown key "some"\. Did you mean "none"/],
    [{ tags: { any: [5] } }, /a tag is a text/],
    [{ tags: "[a" }, /mismatched \[ and \]/],
    [{ stars: "four" }, /"four" is no number/],
  ])("refuses %j", (match, message) => expect(() => leaf(match)).toThrow(message));

  it("are told with all else that is wrong in a storage.yaml", () => {
    const rule = (match: string): string =>
      `${at("name: a, type: local, path: /a")}rules: [{ match: ${match}, action: keep }]\n`;
    expect(found(rule("{ tags: { some: a }, tags.contains: 5, stars: '>six' }"))).toEqual([
      '3:28 UNKNOWN_KEY unknown key "some"',
      '3:54 WRONG_TYPE "tags.contains" must be a text or a list, not 5',
      '3:64 BAD_VALUE "six" is no number',
    ]);
    expect(found(rule("{ stars: '>5', tags: { any: [[]] } }"))).toContainEqual(expect.stringContaining("WRONG_TYPE"));
    expect(found(rule("{ stars: '>=6' }"))).toEqual(["3:27 warning NEVER_KNOWN no file has >=6 stars"]);
  });

  it("that ask for nothing match nothing", () => expect(leaf({ tags: {} })).toEqual({ op: "any", of: [] }));

  it("are what the rules under a location ask for", () => {
    const config = configOf(
      at(
        "name: a, type: local, path: /a, rules: [{ include_tags: [hero, featured], require_tags: x, exclude_tags: [draft], min_quality_stars: 4, max_quality_stars: 5 }]",
      ),
    );
    expect(config.rules[0]!.match).toEqual(
      leaf({ tags: { any: ["hero", "featured"], all: "x", none: ["draft"] }, stars: "4..5" }),
    );
  });
});

describe("the digest", () => {
  const digest = (text: string, env: Record<string, string> = ENV): string => {
    const { config, diagnostics } = check(text, env);
    expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    return config!.digest;
  };

  it("of a file without buckets is what it was before there were any", () => {
    const text =
      "locations:\n  - { name: a, type: local, path: /a }\n  - { name: b, type: network, mount_path: /b, purpose: backup }\n";
    expect(digest(text)).toBe("sha256:04fa9f4f04ad562eefda4ced3bf9d8dc498617053d0cf502b90dedf340d3876a");
  });

  const KEYED = 'credentials: { access_key_id: "${A}", secret_access_key: "${B}" }';
  const s3 = (rest: string): string => at(`name: a, type: s3, bucket: abc${rest && ", "}${rest}`);
  it.each([
    ["other credentials", s3(KEYED), s3("")],
    ["a profile", s3("profile: x"), s3("profile: y")],
    ["another spelling of the prefix", s3("prefix: x"), s3("prefix: x/")],
    [
      "another key file",
      at("name: a, type: gcs, bucket: abc, credentials_path: /x"),
      at("name: a, type: gcs, bucket: abc, credentials_path: /y"),
    ],
    [
      "the older spelling",
      s3("prefix: x, region: y"),
      at("name: a, type: s3, path: abc, config: { prefix: x, region: y }"),
    ],
    ["what is so anyway", s3("allow_unconditional_delete: false"), s3("")],
  ])("stays with %s", (_name, one, other) => {
    const env = { ...ENV, A: "one-one-one", B: "two-two-two" };
    expect(digest(one, env)).toBe(digest(other, env));
    expect(digest(one, { ...env, A: "three-three", B: "four-four" })).toBe(digest(one, env));
  });

  it.each([
    ["bucket", s3(""), at("name: a, type: s3, bucket: abd")],
    ["prefix", s3(""), s3("prefix: x")],
    ["endpoint", s3(""), s3('endpoint: "https://s3.example.com"')],
    ["storage class", s3(""), s3("storage_class: GLACIER_IR")],
    ["encryption", s3(""), s3("encryption: sse-kms")],
    ["windows", s3(""), s3('windows: ["22:00-06:00"]')],
    ["allow_unconditional_delete", s3(""), s3("allow_unconditional_delete: true")],
    [
      "an option of a plug-in, whatever its name",
      at("name: a, type: plugin, use: x, options: { prefix: a, line: 1, op: set }"),
      at("name: a, type: plugin, use: x, options: { prefix: b, line: 1, op: set }"),
    ],
  ])("changes with %s", (_name, one, other) => expect(digest(one)).not.toBe(digest(other)));
});

describe("the schema", () => {
  it("tells an editor the same keys for each type", () => {
    const schema = JSON.parse(readFileSync("schema/storage.schema.json", "utf8")) as {
      $defs: { location: { properties: object; allOf: { if: never; then: { properties: object } }[] } };
    };
    const { properties, allOf } = schema.$defs.location;
    const told = allOf.map(({ if: condition, then }) => {
      const { type } = (condition as { properties: { type: { const: string } } }).properties;
      return [type.const, Object.keys(then.properties).sort()];
    });
    const all = new Set(Object.values(KEYS).flat());
    // `path` of a bucket is its name in the older spelling.
    const older: Record<string, string> = { s3: "path", gcs: "path" };
    const expected = Object.entries(KEYS).map(([type, own]) => [
      type,
      [...all].filter((key) => !own.includes(key) && older[type] !== key).sort(),
    ]);
    expect(told).toEqual(expected);
    for (const key of all) expect(Object.keys(properties)).toContain(key);
  });
});
