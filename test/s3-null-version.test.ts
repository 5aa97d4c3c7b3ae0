import * as sdk from "@aws-sdk/client-s3";
import { describe, expect, it } from "vitest";
import { removeObject } from "../src/backend/s3/remove.js";
import type { Session } from "../src/backend/s3/session.js";
import { heldBelow } from "../src/backend/s3/versions.js";
import { codeOf } from "../src/lib/error.js";

/** A bucket that keeps versions, of a store that does not say which it has made; below them lies what was there before. */
function silentStore(): { session: Session; removed: (string | undefined)[] } {
  const removed: (string | undefined)[] = [];
  const send = async (command: object) => {
    if (command instanceof sdk.DeleteObjectCommand) {
      removed.push(command.input.VersionId);
      return { DeleteMarker: true };
    }
    return { IsTruncated: false, Versions: [{ Key: "x", VersionId: "another", IsLatest: true }] };
  };
  const session = {
    sdk,
    client: { send },
    store: { type: "s3", bucket: "b", prefix: "", endpoint: "http://there" },
    versioned: async () => true,
    ask: async (_: unknown, body: (attempt: object) => unknown) =>
      await body({ signal: new AbortController().signal, number: 1, alive: () => undefined }),
  };
  return { session: session as unknown as Session, removed };
}

describe("I2: what was there before a bucket kept versions is never taken for a version of ours", () => {
  it("by a removal that has hidden another version", async () => {
    const { session, removed } = silentStore();
    expect(await removeObject(session, "x", "etag@wanted").catch(codeOf)).toBe("PRECONDITION");
    expect(removed).toEqual([undefined]);
  });

  it("by a write that should not have been", async () => {
    const { session, removed } = silentStore();
    const stored = { name: "x", size: 1, token: "etag@null", modified: 0 };
    expect(await heldBelow(session, stored, { absent: true }).catch(codeOf)).toBe("PRECONDITION");
    expect(removed).toEqual([]);
  });
});
