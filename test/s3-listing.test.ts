import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, describe, expect, it } from "vitest";
import { openRequests } from "../src/backend/requests.js";
import { s3Store } from "../src/backend/s3.js";
import { codeOf } from "../src/lib/error.js";
import { namesOf } from "./support/s3/upload.js";

/** Answers every listing with the same text and status 200. */
let [answer, versioning] = ["", ""];
const server = createServer((request, response) => {
  response.setHeader("content-type", "application/xml");
  response.end(
    request.url?.includes("versioning") ? `<VersioningConfiguration>${versioning}</VersioningConfiguration>` : answer,
  );
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
afterAll(() => {
  server.close();
  server.closeAllConnections();
});

const key = "<Key>a</Key><ETag>&quot;x&quot;</ETag><Size>1</Size><IsLatest>true</IsLatest>";
const listings = { plain: ["ListBucketResult", "Contents"], versioned: ["ListVersionsResult", "Version"] } as const;

describe("I5: what comes as a success and is no listing is never an empty bucket", () => {
  it.each([
    { name: "nothing at all", text: () => "" },
    { name: "the page of a proxy", text: () => "<html><body>Sign in</body></html>" },
    { name: "an empty list that does not say that it is whole", text: (root: string) => `<${root}></${root}>` },
    {
      name: "names of which nobody says that they are all",
      text: (root: string, entry: string) => `<${root}><${entry}>${key}</${entry}></${root}>`,
    },
  ])("$name", async ({ text }) => {
    for (const [kind, [root, entry]] of Object.entries(listings)) {
      versioning = kind === "versioned" ? "<Status>Enabled</Status>" : "";
      answer = text(root, entry);
      const credentials = { accessKeyId: "a", secretAccessKey: "b" };
      const config = { type: "s3", bucket: "b", prefix: "", endpoint, forcePathStyle: true } as const;
      const requests = openRequests("there", { retries: 0, concurrency: 4 });
      const store = await s3Store({ ...config, region: "us-east-1", credentials }, requests);
      expect(await namesOf(store).catch(codeOf), kind).toBe("UNAVAILABLE");
      answer = `<${root}><IsTruncated>false</IsTruncated></${root}>`;
      expect(await namesOf(store), kind).toEqual([]);
      await store.close();
    }
  });
});
