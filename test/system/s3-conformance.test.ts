import { describe, inject, it } from "vitest";
import { describeBackend } from "../../src/testing/index.js";
import { s3Subject } from "../support/s3/subject.js";

const server = inject("radosgw");

if (server) {
  await describeBackend("S3, radosgw", () => s3Subject(server, { removes: false }));
  // This server ignores the condition of DELETE: what is to be removed has to be allowed, or to stay as an older version.
  await describeBackend("S3, radosgw, where the owner allows removals without conditions", () =>
    s3Subject(server, { allowUnconditionalDelete: true }),
  );
  await describeBackend("S3, radosgw, a versioned bucket", () => s3Subject(server, { versioned: true }));
} else {
  describe("the backend contract: S3, radosgw", () => {
    it("holds", ({ skip }) => skip("radosgw is not installed"));
  });
}
