import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openClient } from "../src/backend/gcs/client.js";
import { type Credentials, openCredentials } from "../src/backend/gcs/credentials.js";
import { openHttp } from "../src/backend/gcs/http.js";
import type { GcsStore } from "../src/config/config.js";
import { type FakeGcs, fakeGcs } from "./support/gcs/fake.js";
import { BUCKET, requests } from "./support/gcs/location.js";

const folder = mkdtempSync(join(tmpdir(), "stowage-gcs-credentials-"));
const SECRET = "sub-ject-to-ken";
let tokens: Server;
let at = "";
let status = 200;
let given = 0;

beforeAll(async () => {
  // Gives out tokens, as Google's would for workload identity.
  tokens = createServer((request, response) => {
    request.resume();
    given++;
    const good = { access_token: `token-${given}`, issued_token_type: "t", token_type: "Bearer", expires_in: 3600 };
    const body = status === 200 ? good : { error: "invalid_grant", error_description: `bad ${SECRET}` };
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => tokens.listen(0, "127.0.0.1", resolve));
  at = `http://127.0.0.1:${(tokens.address() as AddressInfo).port}/token`;
});
afterAll(() => {
  tokens.closeAllConnections();
  tokens.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  status = 200;
  given = 0;
});

/** Credentials in a file: those of an external account whose tokens come from `url`. */
function fileWith(url: string): string {
  const subject = join(folder, "subject");
  writeFileSync(subject, SECRET);
  const path = join(folder, `${encodeURIComponent(url)}.json`);
  const account = {
    type: "external_account",
    audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/p",
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    token_url: url,
    credential_source: { file: subject },
  };
  writeFileSync(path, JSON.stringify(account));
  return path;
}

const stored = (credentialsPath: string): GcsStore => ({ type: "gcs", bucket: BUCKET, prefix: "", credentialsPath });
const secure = new URL("https://storage.googleapis.com");
const headers = async (path: string, base = secure) => (await openCredentials(stored(path), base)).headers(base);

describe("credentials for Cloud Storage", () => {
  it("are the SDK's: a token is fetched once, and anew when it was refused", async () => {
    const credentials = await openCredentials(stored(fileWith(at)), secure);
    expect(await credentials.headers(secure)).toMatchObject({ Authorization: "Bearer token-1" });
    expect(await credentials.headers(secure)).toMatchObject({ Authorization: "Bearer token-1" });
    expect(credentials.renew()).toBe(true);
    expect(await credentials.headers(secure)).toMatchObject({ Authorization: "Bearer token-2" });
  });

  it("are never sent over a connection that anybody can read", async () => {
    const credentials = await openCredentials(stored(fileWith(at)), new URL("http://storage.example.com"));
    expect(await credentials.headers(new URL("http://storage.example.com/o"))).toEqual({});
    expect(credentials.renew()).toBe(false);
    expect(given).toBe(0);
  });

  it.each([
    { title: "refused", make: () => fileWith(at), answer: 400, code: "ACCESS_DENIED" },
    { title: "not to be had now", make: () => fileWith(at), answer: 503, code: "UNAVAILABLE" },
    {
      title: "of a service that is down",
      make: () => fileWith("http://127.0.0.1:9/token"),
      answer: 200,
      code: "UNAVAILABLE",
    },
    { title: "in a file that is not there", make: () => join(folder, "none.json"), answer: 200, code: "ACCESS_DENIED" },
    {
      title: "in a file that is not understood",
      make: () => {
        writeFileSync(join(folder, "bad.json"), `{"private_key": "${SECRET}`);
        return join(folder, "bad.json");
      },
      answer: 200,
      code: "ACCESS_DENIED",
    },
  ])("$title are $code, and no secret is told", async ({ make, answer, code }) => {
    status = answer;
    const error: unknown = await headers(make()).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code });
    expect(`${String(error)} ${JSON.stringify(error)} ${(error as Error).cause ?? ""}`).not.toContain(SECRET);
  });
});

describe("requests with credentials", () => {
  let fake: FakeGcs;
  beforeAll(async () => {
    fake = await fakeGcs();
    fake.bucket(BUCKET);
  });
  afterAll(() => fake.close());

  const client = () => {
    let number = 1;
    const credentials: Credentials = {
      headers: async () => ({ authorization: `Bearer ${number}` }),
      renew: () => {
        number++;
        return true;
      },
      sign: async () => "",
    };
    const store: GcsStore = { type: "gcs", bucket: BUCKET, prefix: "" };
    return openClient(store, new URL(fake.endpoint), openHttp(false), credentials, requests());
  };
  const ask = { method: "GET", to: `/storage/v1/b/${BUCKET}/o` } as const;

  it("that expired while running are fetched anew, once", async () => {
    fake.trouble = ({ headers }) => (headers.authorization === "Bearer 1" ? { status: 401 } : undefined);
    expect((await client().ask(ask)).status).toBe(200);
    fake.seen.length = 0;
    fake.trouble = () => ({ status: 401 });
    await expect(client().ask(ask)).rejects.toMatchObject({ code: "ACCESS_DENIED" });
    expect(fake.seen.length).toBe(2);
  });

  it("go to the endpoint only, whatever address an upload has", async () => {
    fake.trouble = undefined;
    fake.seen.length = 0;
    const elsewhere = new URL(fake.endpoint.replace("127.0.0.1", "localhost"));
    elsewhere.pathname = ask.to;
    await client().ask({ method: "GET", to: elsewhere });
    await client().ask(ask);
    expect(fake.seen.map(({ headers }) => headers.authorization)).toEqual([undefined, "Bearer 1"]);
  });
});
