import { describe, inject, it } from "vitest";
import { describeBackend } from "../../src/testing/index.js";
import { s3Subject } from "../support/s3/subject.js";

const server = inject("radosgw");

if (server) {
  // This radosgw honours conditions on the writes of unversioned buckets only, and none on removals: see the probe's verdicts.
  const allowUnconditionalDelete = true;
  await describeBackend("S3, radosgw, where the owner allows removals without conditions", () =>
    s3Subject(server, { allowUnconditionalDelete }),
  );
  await describeBackend("S3, radosgw, a versioned bucket with the same word", () =>
    s3Subject(server, { versioned: true, allowUnconditionalDelete }),
  );
} else {
  describe("the backend contract: S3, radosgw", () => {
    it("holds", ({ skip }) => skip("radosgw is not installed"));
  });
}
