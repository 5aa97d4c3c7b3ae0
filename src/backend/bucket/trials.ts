import { codeOf, messageOf, StowageError } from "../../lib/error.js";
import { collect } from "../../lib/iter.js";
import type { StoreFeatures } from "../backend.js";
import type { Upload } from "../store.js";
import type { Ground } from "./ground.js";
import { settled } from "./publish.js";

/** Of many at once; stores that check and then write let more than one through. */
const RACERS = 16;

type RemovalVerdicts = Pick<StoreFeatures, "createOnly" | "conditionalRemove" | "listAfterWrite">;

/** What a removal relies on, with few requests. */
export async function removal(ground: Ground): Promise<RemovalVerdicts> {
  const name = ground.name("object");
  const verdicts: RemovalVerdicts = { createOnly: false, conditionalRemove: false, listAfterWrite: false };
  await ground.honoured("creating, listing and removing an object", async () => {
    const stale = await ground.put(name, "first");
    if (!stale) return false;
    const listed = await lists(ground, name, stale.token);
    const again = await ground.put(name, "again");
    verdicts.createOnly = !again && (await ground.text(name)) === "first";
    await ground.store.discard(name);
    const now = await ground.put(name, "other");
    if (!now) return false;
    // The object was written anew since it had that token: exactly what must not be removed.
    const refused = await ground.honoured("a removal under another token", () =>
      ground.refuses("PRECONDITION", () => ground.store.remove(name, stale.token)),
    );
    const kept = (await ground.text(name)) === "other";
    // Where the wrong token is not refused, the right one says nothing.
    await (kept && refused ? ground.store.remove(name, now.token) : ground.store.discard(name));
    const gone = (await ground.store.head(name)) === undefined;
    verdicts.conditionalRemove = refused && kept && gone;
    verdicts.listAfterWrite = listed && !(await lists(ground, name));
    return true;
  });
  return verdicts;
}

async function lists(ground: Ground, name: string, token?: string): Promise<boolean> {
  const pages = await collect(ground.store.list(ground.prefix));
  return pages.flat().some((stored) => stored.name === name && (token ?? stored.token) === stored.token);
}

export const createOnly = (ground: Ground): Promise<boolean> =>
  ground.honoured("creating an object under a taken name", async () => {
    const name = ground.name("taken");
    if (!(await ground.put(name, "first"))) return false;
    return !(await ground.put(name, "again")) && (await ground.text(name)) === "first";
  });

export const createOnlyParts = (ground: Ground): Promise<boolean> =>
  ground.honoured("creating an object in parts", async () => {
    const name = ground.name("parts");
    const first = await ground.put(name, "first", { absent: true }, { parts: true });
    if (!first) return false;
    const again = await ground.put(name, "again", { absent: true }, { parts: true });
    return !again && (await ground.text(name)) === "first";
  });

export const oneWinner = (ground: Ground): Promise<boolean> =>
  ground.honoured("creating one object many times at once", async () => {
    const name = ground.name("race");
    const texts = Array.from({ length: RACERS }, (_, index) => `racer ${index}`);
    const results = await Promise.allSettled(texts.map((text) => ground.put(name, text)));
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
    const winners = texts.filter((_, index) => {
      const result = results[index];
      return result?.status === "fulfilled" && result.value !== undefined;
    });
    return winners.length === 1 && (await ground.text(name)) === winners[0];
  });

export const conditionalReplace = (ground: Ground): Promise<boolean> =>
  ground.honoured("replacing an object", async () => {
    const name = ground.name("replace");
    const first = await ground.put(name, "one");
    if (!first) return false;
    const second = await ground.put(name, "two", { token: first.token });
    if (!second || (await ground.text(name)) !== "two") return false;
    const third = await ground.put(name, "three", { token: first.token });
    return !third && (await ground.text(name)) === "two";
  });

export const conditionalRead = (ground: Ground): Promise<boolean> =>
  ground.honoured("reading under a token", async () => {
    const { name, stale, token } = await ground.rewritten("read", ["one", "two"]);
    const pieces: Uint8Array[] = [];
    for await (const piece of ground.store.read(name, { token })) pieces.push(Buffer.from(piece));
    if (Buffer.concat(pieces).toString() !== "two") return false;
    return await ground.refuses("PRECONDITION", () => collect(ground.store.read(name, { token: stale })));
  });

export const conditionalCopy = (ground: Ground): Promise<boolean> =>
  ground.honoured("copying inside the store", async () => {
    const { store } = ground;
    const { copy } = store;
    if (!copy) return false;
    const from = await ground.rewritten("copy", ["one", "two"]);
    const takes = async (rest: string, token: string): Promise<boolean> => {
      const upload = ground.upload("two");
      const object = { name: from.name, bucket: store.address, token };
      const name = ground.name(rest);
      return (await settled(ground, name, upload, () => copied(copy(object, name, upload)))) !== undefined;
    };
    if (!(await takes("copy-free", from.token)) || (await ground.text(ground.name("copy-free"))) !== "two")
      return false;
    await ground.put(ground.name("copy-taken"), "taken");
    if (await takes("copy-taken", from.token)) return false;
    if ((await ground.text(ground.name("copy-taken"))) !== "taken") return false;
    if (await takes("copy-stale", from.stale)) return false;
    return (await ground.text(ground.name("copy-stale"))) === undefined;
  });

/** Copying can take permissions that nothing else does: without them there is no copying, and no harm. */
const copied = <T>(copying: Promise<T>): Promise<T> =>
  copying.catch((error: unknown) => {
    if (codeOf(error) !== "ACCESS_DENIED") throw error;
    throw new StowageError("UNSUPPORTED", messageOf(error), { cause: error });
  });

export const checksums = (ground: Ground): Promise<boolean> =>
  ground.honoured("sending bytes with a wrong checksum", async () => {
    try {
      return await checksIt(ground, "checksum", { unsigned: true });
    } catch (error) {
      if (codeOf(error) === "UNAVAILABLE" || codeOf(error) === "ABORTED") throw error;
      // Not taken without a signature over the bytes: then signature and checksum can only be wrong together.
      return await checksIt(ground, "checksum-signed", {});
    }
  });

/** Where the checksum beside the signature means nothing to the store, the signature alone is what can be refused. */
export const signedBytes = (ground: Ground): Promise<boolean> =>
  ground.honoured("sending other bytes than were signed", () => checksIt(ground, "signed", {}));

async function checksIt(ground: Ground, rest: string, more: Pick<Upload, "unsigned">): Promise<boolean> {
  const name = ground.name(rest);
  const whole = Buffer.from("wrong");
  const wrong: Upload = {
    ...ground.upload("right", more),
    whole,
    async *bytes() {
      yield whole;
    },
  };
  const refused = await ground.refuses("CORRUPT", () => ground.store.put(name, wrong, { absent: true }));
  return refused && (await ground.text(name)) === undefined;
}
