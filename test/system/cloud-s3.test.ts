import { afterAll, beforeAll, describe, inject, it } from "vitest";
import { type Cloud, s3Cloud } from "../support/cloud/cloud.js";
import { loopOver } from "../support/cloud/loop.js";

const server = inject("radosgw");

// This radosgw ignores conditions on removals, and on all writes to buckets that keep versions: see the probe's verdicts.
const WORD = "purpose: [backup], allow_unconditional_delete: true";

if (server) {
  describe("the loop over S3, on radosgw", () => {
    let cloud: Cloud;
    beforeAll(async () => {
      cloud = await s3Cloud(server);
    });
    afterAll(() => cloud.close());

    describe("where the owner lets objects be removed", () => loopOver(() => ({ cloud, location: WORD })));
    describe("in a bucket that keeps versions", () => loopOver(() => ({ cloud, versioned: true, appendOnly: true })));
  });
} else {
  describe("the loop over S3, on radosgw", () => {
    it("holds", ({ skip }) => skip("radosgw is not installed"));
  });
}
