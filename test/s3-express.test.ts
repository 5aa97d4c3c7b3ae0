import { HeadObjectCommand, S3Client } from "@aws-sdk/client-s3";
import fc from "fast-check";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { openExpress } from "../src/backend/s3/express.js";
import { codeOf } from "../src/lib/error.js";
import { type FakeS3, fakeS3 } from "./support/s3/fake.js";
import { openWorld, type World } from "./support/s3/subject.js";
import { namesOf, uploadOf } from "./support/s3/upload.js";

const fake: FakeS3 = await fakeS3();
const worlds: World[] = [];
afterEach(async () => {
  fake.fault = () => undefined;
  for (const each of worlds.splice(0)) await each.dispose();
});
afterAll(() => fake.close());

interface Sent {
  path: string;
  headers: Record<string, string>;
}

/** A client that notes what it sends, and is always answered well. */
function noting(keys: () => { accessKeyId: string; secretAccessKey: string; sessionToken?: string }, more = {}) {
  const sent: Sent[] = [];
  let status = 200;
  const note = ({ path, headers }: Sent) => {
    sent.push({ path, headers: { ...headers } });
    return { statusCode: status, headers: { etag: '"e"' }, body: new Uint8Array() };
  };
  const client = new S3Client({
    ...{ endpoint: "http://127.0.0.1:1", region: "eu-x", forcePathStyle: true, maxAttempts: 1, ...more },
    credentials: async () => ({ ...keys(), expiration: new Date(Date.now() + 1) }),
    requestHandler: {
      async handle(request: Sent) {
        return { response: Object.assign(Object.create({ constructor: { name: "HttpResponse" } }), note(request)) };
      },
      updateHttpClientConfig: () => undefined,
      httpHandlerConfigs: () => ({}),
    },
  });
  const express = openExpress(client, async (request) => note(request));
  const head = (Key: string) =>
    express.send({
      ...{ kind: "head" as const, name: Key, headers: {}, signal: new AbortController().signal },
      bySdk(dress) {
        const command = new HeadObjectCommand({ Bucket: "b", Key });
        dress(command);
        return client.send(command).then(
          () => "by the SDK",
          (error: Error) => error.name,
        );
      },
      read: ({ statusCode }) => (statusCode === 200 ? "short" : undefined),
    });
  const answers = (code: number): void => {
    status = code;
  };
  return { sent, head, answers };
}

const KEYS = { accessKeyId: "id", secretAccessKey: "secret" };
const isOwn = ({ headers }: Sent): boolean => headers["amz-sdk-invocation-id"] === undefined;

describe("small requests", () => {
  it("go where those of the SDK go, and say the same, whatever the name", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }), async (raw) => {
        const name = raw.replace(/\p{Surrogate}/gu, "x");
        const { sent, head } = noting(() => KEYS);
        const outcomes = [await head(name), await head(name)];
        const [first, second] = sent;
        // What HTTP itself would read otherwise is left to the SDK.
        if (outcomes[1] !== "short") return;
        expect(second?.path).toBe(first?.path);
        const { authorization: _, "amz-sdk-invocation-id": __, "amz-sdk-request": ___, ...rest } = first?.headers ?? {};
        const { authorization: ____, ...own } = second?.headers ?? {};
        expect({ ...own, "x-amz-date": "" }).toEqual({ ...rest, "x-amz-date": "" });
      }),
      { numRuns: 200 },
    );
  });

  it("are sent by the pattern of the first from the second on", async () => {
    const { sent, head } = noting(() => KEYS);
    for (const name of ["a", "b/c d+e%", "ü"]) await head(name);
    expect(sent.map(isOwn)).toEqual([false, true, true]);
    expect(sent.map(({ path }) => path)).toEqual(["/b/a", "/b/b/c%20d%2Be%25", "/b/%C3%BC"]);
  });

  it("are signed with the credentials of the moment", async () => {
    let token = "one";
    const { sent, head } = noting(() => ({ ...KEYS, accessKeyId: `id-${token}`, sessionToken: token }));
    await head("a");
    await head("a");
    token = "two";
    await new Promise((resolve) => setTimeout(resolve, 20));
    await head("a");
    expect(sent.map(({ headers }) => headers["x-amz-security-token"])).toEqual(["one", "one", "two"]);
    expect(sent.map(({ headers }) => /Credential=([^/]+)/.exec(headers["authorization"] ?? "")?.[1])).toEqual([
      "id-one",
      "id-one",
      "id-two",
    ]);
  });

  it("are learned anew from the SDK when an answer speaks against the request, and it judges the answer", async () => {
    const { sent, head, answers } = noting(() => KEYS);
    await head("a");
    answers(403);
    expect(await head("a")).toBe("Unknown");
    answers(200);
    expect([await head("a"), await head("a")]).toEqual(["by the SDK", "short"]);
    expect(sent.map(isOwn)).toEqual([false, true, false, true]);
    answers(404);
    expect(await head("a")).toBe("NotFound");
    answers(200);
    expect(await head("a")).toBe("short");
  });
});

describe("S3 (fake): small objects, one after the other", () => {
  const FAULTS = [
    { what: "is throttled", status: 503, code: "SlowDown", told: "UNAVAILABLE" },
    { what: "is denied", status: 403, code: "AccessDenied", told: "ACCESS_DENIED" },
    { what: "comes with an expired session", status: 400, code: "ExpiredToken", told: "ACCESS_DENIED" },
    { what: "is answered with an error under 200", status: 200, code: "InternalError", told: "UNAVAILABLE" },
  ];
  it.each(FAULTS)("I6: one that $what is told like any other, and costs one request", async ({
    status,
    code,
    told,
  }) => {
    const world = await openWorld(fake, { retries: 0 });
    worlds.push(world);
    for (const name of ["a", "b", "c"]) await world.store.put(name, uploadOf("1"), { absent: true });
    let count = 0;
    fake.fault = (line) => {
      if (!line.startsWith("PUT")) return undefined;
      count++;
      return { status, code };
    };
    const thrown = await world.store.put("d", uploadOf("1"), { absent: true }).catch(codeOf);
    expect([thrown, count]).toEqual([told, 1]);
    fake.fault = () => undefined;
    expect(await world.store.put("e", uploadOf("1"), { absent: true }).catch(codeOf)).toMatchObject({ name: "e" });
    expect(await namesOf(world.store)).toEqual(["a", "b", "c", "e"]);
  });

  it("I3: a taken name is refused, and nothing is changed", async () => {
    const world = await openWorld(fake);
    worlds.push(world);
    const first = await world.store.put("a", uploadOf("1"), { absent: true });
    for (let round = 0; round < 3; round++)
      expect(await world.store.put("a", uploadOf("2"), { absent: true }).catch(codeOf)).toBe("PRECONDITION");
    expect(await world.store.head("a")).toEqual(first);
    expect(await world.store.head("a")).toEqual(first);
  });
});
