import { Readable } from "node:stream";
import { ListObjectsV2Command, ListObjectVersionsCommand, S3Client } from "@aws-sdk/client-s3";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Listing, readListing } from "../src/backend/s3/listing.js";
import { listed } from "../src/backend/s3/wire.js";

/** A client whose every answer is this document. */
function clientOf(text: string, statusCode = 200): S3Client {
  const response = () => ({ statusCode, headers: {}, body: Readable.from([Buffer.from(text)]) });
  const requestHandler = {
    handle: async () => ({ response: Object.assign(Object.create(RESPONSE), response()) }),
    updateHttpClientConfig: () => undefined,
    httpHandlerConfigs: () => ({}),
  };
  const credentials = { accessKeyId: "a", secretAccessKey: "b" };
  const endpoint = "http://127.0.0.1:1";
  return new S3Client({ endpoint, region: "x", forcePathStyle: true, maxAttempts: 1, credentials, requestHandler });
}
const RESPONSE = { constructor: { name: "HttpResponse" } };

const VERSIONS = /<ListVersionsResult[\s>]/;
const bySdk = (text: string, statusCode?: number): Promise<Listing> => {
  const client = clientOf(text, statusCode);
  if (VERSIONS.test(text)) return client.send(new ListObjectVersionsCommand({ Bucket: "b" }));
  return client.send(new ListObjectsV2Command({ Bucket: "b" }));
};
const byUs = (text: string, statusCode?: number): Promise<Listing> => {
  const client = clientOf(text, statusCode);
  const command = VERSIONS.test(text)
    ? new ListObjectVersionsCommand({ Bucket: "b" })
    : new ListObjectsV2Command({ Bucket: "b" });
  return listed(command, () => client.send(command as ListObjectsV2Command));
};

/** What stowage looks at, without what is empty or undefined. */
function told(listing: Listing): unknown {
  const { IsTruncated, KeyCount, EncodingType, ContinuationToken, NextContinuationToken, NextVersionIdMarker } =
    listing;
  const objects = (list: Listing["Contents"] = []) =>
    list.map(({ Key, LastModified, ETag, Size, StorageClass, VersionId, IsLatest, RestoreStatus }) => ({
      ...{ Key, ETag, Size, StorageClass, VersionId, IsLatest, RestoreStatus, LastModified: LastModified?.getTime() },
    }));
  return JSON.parse(
    JSON.stringify({
      ...{ IsTruncated, KeyCount, EncodingType, ContinuationToken, NextContinuationToken, NextVersionIdMarker },
      contents: objects(listing.Contents).map(({ VersionId: _, IsLatest: __, ...current }) => current),
      versions: objects(listing.Versions),
      markers: (listing.DeleteMarkers ?? []).map(({ Key, VersionId, IsLatest }) => ({ Key, VersionId, IsLatest })),
      groups: (listing.CommonPrefixes ?? []).map(({ Prefix }) => Prefix),
    }),
  );
}

const outcome = (promise: Promise<Listing>): Promise<unknown> =>
  promise.then(told, (error: Error) => ({ name: error.name, message: error.message }));

const element = (name: string, inner: string): string =>
  inner === "" && name.length % 2 === 0 ? `<${name}/>` : `<${name}>${inner}</${name}>`;

/** Every character in one of the ways in which XML can hold it. */
const escaped = (text: string, how: number): string =>
  [...text]
    .map((char, index) => {
      const code = char.codePointAt(0) ?? 0;
      const reference = [`&#${code};`, `&#x${code.toString(16)};`][(how + index) % 2] ?? "";
      const named = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" }[char];
      if (named !== undefined) return (how + index) % 3 === 0 ? reference : named;
      // The SDK cuts references beyond 16 bits.
      return code < 0x20 || (code < 0x10000 && how % 7 === index % 7) ? reference : char;
    })
    .join("");

const text = fc
  .tuple(fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.constantFrom("a/b c+d.jpg", "%2F%C3%A9")), fc.nat(50))
  .map(([raw, how]) => escaped(raw.replace(/[\ud800-\udfff]/g, "x"), how));
const time = fc
  .date({ min: new Date(0), max: new Date("2099-01-01T00:00:00Z"), noInvalidDate: true })
  .map((date) => date.toISOString());
const flag = fc.boolean().map(String);
const natural = fc.nat(2 ** 31 - 1).map(String);

const field = (name: string, value: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.option(value, { nil: undefined, freq: 6 }).map((inner) => (inner === undefined ? "" : element(name, inner)));
const joined = (...parts: fc.Arbitrary<string>[]): fc.Arbitrary<string> =>
  fc.tuple(fc.shuffledSubarray(parts, { minLength: parts.length }), fc.constantFrom("", "\n  ")).chain(([all, gap]) =>
    fc.tuple(...all).map(
      (found) =>
        found
          .filter(Boolean)
          .map((each) => gap + each)
          .join("") + gap,
    ),
  );

const restore = joined(field("IsRestoreInProgress", flag), field("RestoreExpiryDate", time));
const owner = joined(field("ID", text), field("DisplayName", text));
const object = joined(
  ...[field("Key", text), field("LastModified", time), field("ETag", text), field("Size", natural)],
  ...[field("StorageClass", text), field("Owner", owner), field("Type", text), field("RestoreStatus", restore)],
  ...[field("VersionId", text), field("IsLatest", flag), field("ChecksumAlgorithm", text)],
);
const many = (name: string, inner: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.array(inner, { maxLength: 4 }).map((all) => all.map((each) => element(name, each)).join(""));

const ONLY = {
  ListBucketResult: [
    ...[field("KeyCount", natural), field("ContinuationToken", text), field("NextContinuationToken", text)],
    many("Contents", object),
  ],
  ListVersionsResult: [field("NextVersionIdMarker", text), many("Version", object), many("DeleteMarker", object)],
};
const document = fc
  .constantFrom("ListBucketResult" as const, "ListVersionsResult" as const)
  .chain((root) =>
    joined(
      ...[field("IsTruncated", flag), field("EncodingType", fc.constant("url")), field("Name", text)],
      ...[field("Prefix", text), many("CommonPrefixes", field("Prefix", text)), ...ONLY[root]],
    ).map((inner) => `${HEAD}\n<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</${root}>`),
  );
const HEAD = '<?xml version="1.0" encoding="UTF-8"?>';

/** To the SDK a line's end alone is no text, also where it is written as a number. */
const BLANK = `${HEAD}<ListVersionsResult><Version><VersionId>&#10;</VersionId></Version></ListVersionsResult>`;

describe("pages of listings are read as the SDK reads them", () => {
  it("whatever a store sends", async () => {
    let plain = 0;
    await fc.assert(
      fc.asyncProperty(document, async (xml) => {
        if (readListing(xml)) plain++;
        expect(await outcome(byUs(xml))).toEqual(await outcome(bySdk(xml)));
      }),
      { numRuns: 500, examples: [[BLANK]] },
    );
    // Otherwise the SDK was compared with itself.
    expect(plain).toBeGreaterThan(100);
  });

  it("whatever becomes of it on its way", async () => {
    const scrap = fc.constantFrom(
      "<",
      ">",
      "</",
      "/>",
      "&",
      "&#0;",
      "&x;",
      "<!-- -->",
      "<![CDATA[a]]>",
      "\r",
      " ",
      "<a>",
      '<a b="c">',
      "1",
      "",
    );
    const damage = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(12), scrap);
    await fc.assert(
      fc.asyncProperty(document, fc.array(damage, { minLength: 1, maxLength: 3 }), async (xml, damages) => {
        let damaged = xml;
        for (const [where, length, instead] of damages) {
          const at = Math.floor(where * damaged.length);
          damaged = damaged.slice(0, at) + instead + damaged.slice(at + length);
        }
        const ours = readListing(damaged);
        if (ours) expect(told(ours)).toEqual(await outcome(bySdk(damaged)));
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    { what: "an error under 200", status: 200, text: "<Error><Code>InternalError</Code><Message>oh</Message></Error>" },
    { what: "an error", status: 503, text: "<Error><Code>SlowDown</Code><Message>slower</Message></Error>" },
    { what: "no such bucket", status: 404, text: "<Error><Code>NoSuchBucket</Code></Error>" },
    { what: "a redirect", status: 301, text: "<Error><Code>PermanentRedirect</Code><Region>b</Region></Error>" },
    { what: "a page of a proxy", status: 200, text: "<html><body>Sign in</body></html>" },
    { what: "nothing", status: 200, text: "" },
    { what: "a page that was cut off", status: 200, text: "<ListBucketResult><IsTruncated>false</IsTruncated>" },
    {
      what: "a listing under an error",
      status: 500,
      text: "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
    },
  ])("$what is told as the SDK tells it", async ({ status, text }) => {
    expect(await outcome(byUs(text, status))).toEqual(await outcome(bySdk(text, status)));
  });

  it("names beyond 16 bits come whole, as characters and as references", async () => {
    const key = "&#x1f600;&#128512;\u{1f600}";
    const xml = `<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>${key}</Key></Contents></ListBucketResult>`;
    expect(readListing(xml)?.Contents?.[0]?.Key).toBe("\u{1f600}\u{1f600}\u{1f600}");
  });
});
