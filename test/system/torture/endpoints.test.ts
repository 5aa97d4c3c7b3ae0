import { describe, expect, it, onTestFinished } from "vitest";
import { openBackend } from "../../../src/backend/open.js";
import { checkText } from "../../../src/config/load.js";
import { openEcho, redirecting } from "../../hostile/echo.js";
import { figure } from "../../support/figures.js";

const METADATA = [
  ...[
    "http://169.254.169.254",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://0xa9.254.0251.254/",
  ],
  ...[
    "http://[fd00:ec2::254]/",
    "http://[FD00:0EC2::0254]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[0:0:0:0:0:ffff:a9fe:a9fe]/",
  ],
  ...[
    "http://[::169.254.169.254]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[::ffff:100.100.100.200]/",
    "http://100.100.100.200/",
    "http://1684301000/",
  ],
  ...[
    "http://metadata.google.internal/",
    "http://METADATA.GOOGLE.INTERNAL./",
    "http://metadata/",
    "http://metadata.goog",
    "http://169.254.170.2/v2",
    "http://169。254。169。254/",
  ],
  ...[
    "http://\uff11\uff16\uff19.254.169.254/",
    "http://[fd20:ce::254]/",
    "http://192.0.0.192/",
    "http://google.internal",
    "https://168.63.129.16:32526/",
  ],
];
const AT: readonly ((url: string) => string)[] = [
  (url) => `type: s3, bucket: abc, region: x, endpoint: "${url}"`,
  (url) => `type: gcs, bucket: abc, endpoint: "${url}"`,
  (url) => `type: azure, account: media, container: abc, endpoint: "${url}"`,
  (url) => `type: supabase, bucket: abc, key: "\${KEY}", url: "${url}"`,
];
const locationOf = (text: string, env: Record<string, string> = {}) =>
  checkText(`locations:\n  - { name: a, ${text} }\n`, "/etc/storage.yaml", {
    env: { HOME: "/root", KEY: "k".repeat(20), ...env },
  });

describe("an endpoint", () => {
  it("that gives out a machine's credentials is refused, however it is spelled", () => {
    for (const url of METADATA) {
      for (const at of AT) {
        const { config, diagnostics } = locationOf(at(url));
        expect({ url, config, said: diagnostics.map(({ message }) => message) }).toEqual({
          ...{ url, config: undefined },
          said: [expect.stringContaining("metadata service")],
        });
      }
    }
    figure("spellings of metadata addresses", METADATA.length * AT.length);
  });

  const CREDENTIALS: readonly ((url: string) => string)[] = [
    (url) =>
      `type: s3, bucket: abc, region: us-east-1, endpoint: "${url}", credentials: { access_key_id: "\${KEY}", secret_access_key: "\${KEY}", session_token: "\${KEY}" }`,
    (url) => `type: gcs, bucket: abc, endpoint: "${url}"`,
    (url) =>
      `type: azure, account: media, container: abc, endpoint: "${url}/media", credentials: { account_key: "\${KEY}" }`,
    (url) =>
      `type: azure, account: media, container: abc, endpoint: "${url}/media", credentials: { sas_token: "\${SAS}" }`,
    (url) => `type: supabase, bucket: abc, key: "\${KEY}", url: "${url}"`,
  ];
  it.each([301, 302, 303, 307, 308])("that answers %i sends no credentials to another host", async (status) => {
    const thief = await openEcho("127.0.0.2", (_, response) => void response.end());
    const server = await openEcho("127.0.0.1", redirecting(thief.url, status));
    onTestFinished(async () => void (await Promise.all([thief.close(), server.close()])));
    for (const at of CREDENTIALS) {
      const { config, diagnostics } = locationOf(at(server.url), { SAS: "sv=2024&sig=abcdefghijklmn" });
      const location = config?.locations[0];
      if (!location) throw new Error(JSON.stringify(diagnostics));
      const before = server.seen.length;
      const backend = await openBackend(location, { transfer: { concurrency: 1, retries: 0 } });
      await expect(backend.stat("photo.jpg")).rejects.toMatchObject({ code: expect.any(String) });
      await backend.close();
      expect(server.seen.length, at("")).toBeGreaterThan(before);
    }
    expect(thief.seen).toEqual([]);
    figure("redirects to another host", CREDENTIALS.length);
  });
});
