import { afterAll, beforeAll, describe } from "vitest";
import { azureCloud, type Cloud } from "../support/cloud/cloud.js";
import { loopOver } from "../support/cloud/loop.js";

describe("the loop over Azure Blob Storage, on Azurite", () => {
  let cloud: Cloud;
  beforeAll(async () => {
    cloud = await azureCloud();
  });
  afterAll(() => cloud.close());
  loopOver(() => ({ cloud }));
});
