import { describe, expect, it } from "vitest";
import { put } from "../src/backend/s3/put.js";
import { LIMITS, type Session } from "../src/backend/s3/session.js";
import { StowageError } from "../src/lib/error.js";
import { uploadOf } from "./support/s3/upload.js";

describe("I3: an object in a versioned bucket that is to be replaced", () => {
  it.each([
    { where: "by Amazon, which honours conditions: its refusal is an answer", endpoint: {}, asked: 1 },
    {
      where: "by a store that may refuse the right token: it is looked at",
      endpoint: { endpoint: "http://store" },
      asked: 2,
    },
  ])("and is refused $where", async ({ endpoint, asked }) => {
    let count = 0;
    const session = {
      ...{ sdk: {}, client: {}, limits: LIMITS, store: { type: "s3", bucket: "b", prefix: "", ...endpoint } },
      versioned: async () => true,
      ask: () => {
        count += 1;
        return Promise.reject(new StowageError("PRECONDITION", "refused"));
      },
    } as unknown as Session;
    const token = { token: "etag:version" };
    await expect(put(session, "x", uploadOf("1"), token)).rejects.toMatchObject({ code: "PRECONDITION" });
    expect(count).toBe(asked);
  });
});
