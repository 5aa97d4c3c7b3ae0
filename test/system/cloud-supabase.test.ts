import { afterAll, beforeAll, describe } from "vitest";
import { type Cloud, supabaseFakeCloud } from "../support/cloud/cloud.js";
import { loopOver } from "../support/cloud/loop.js";

describe("the loop over a fake of Supabase Storage", () => {
  let cloud: Cloud;
  beforeAll(async () => {
    cloud = await supabaseFakeCloud();
  });
  afterAll(() => cloud.close());
  loopOver(() => ({ cloud, appendOnly: true, name: "two words & (1).jpg" }));
});
