import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { type Cloud, gcsFakeCloud } from "../support/cloud/cloud.js";
import { loopOver } from "../support/cloud/loop.js";

describe("the loop over a fake of Google Cloud Storage", () => {
  const folder = mkdtempSync(join(tmpdir(), "stowage-gcs-"));
  let cloud: Cloud;
  beforeAll(async () => {
    cloud = await gcsFakeCloud(join(folder, "key.json"));
  });
  afterAll(async () => {
    await cloud.close();
    rmSync(folder, { recursive: true });
  });
  loopOver(() => ({ cloud }));
});
