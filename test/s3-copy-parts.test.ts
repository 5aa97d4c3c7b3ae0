import { afterAll, expect, it } from "vitest";
import { codeOf } from "../src/lib/error.js";
import { fakeS3 } from "./support/s3/fake.js";
import { openWorld } from "./support/s3/subject.js";
import { namesOf, noise, uploadOf } from "./support/s3/upload.js";

const fake = await fakeS3();
afterAll(() => fake.close());

it("I3: copies nothing in parts inside a store where parts do not honour the condition", async () => {
  const { store, dispose } = await openWorld(fake, { limits: { copy: 2000, copyPart: 1000 } });
  const upload = uploadOf(noise(4500));
  const { token } = await store.put("from", upload, { absent: true });
  const object = { name: "from", bucket: store.address, token };
  fake.log.length = 0;
  await expect(store.copy?.(object, "to", { ...upload, safeParts: false })).rejects.toSatisfy(
    (error: unknown) => codeOf(error) === "UNSUPPORTED",
  );
  expect(fake.log).toEqual([]);
  await store.copy?.(object, "to", upload);
  expect(await namesOf(store)).toEqual(["from", "to"]);
  await dispose();
});
