import { sha256Hex } from "../../lib/json.js";
import { LOCK } from "../marker.js";
import type { Register, Registered } from "../shared.js";
import type { Bucket } from "./bucket.js";
import { honoursReplacing } from "./probe.js";
import { publish } from "./publish.js";
import { contentOf } from "./read.js";
import { small } from "./upload.js";

/** A register is an object that is created and replaced under a condition. */
export function bucketRegister(bucket: Bucket): Register {
  const name = bucket.prefix + LOCK;
  let honoured: Promise<boolean> | undefined;
  return {
    async read() {
      for (;;) {
        const before = await bucket.store.head(name);
        if (!before) return undefined;
        const text = await contentOf(bucket, name);
        const found: Registered = { text: text ?? "", token: before.token };
        if ((await bucket.store.head(name))?.token === before.token) return found;
      }
    },
    async write(text, token) {
      const bytes = Buffer.from(text);
      const upload = small(bucket, bytes, sha256Hex(bytes));
      return (await publish(bucket, name, upload, token === undefined ? { absent: true } : { token }))?.token;
    },
    async honoured() {
      const { store } = bucket.features;
      if (store) return store.createOnly && store.oneWinner && store.conditionalReplace;
      honoured ??= honoursReplacing(bucket);
      return await honoured.catch((error: unknown) => {
        honoured = undefined;
        throw error;
      });
    },
  };
}
