import { codeOf, StowageError } from "../../lib/error.js";
import { sha256Hex } from "../../lib/json.js";
import { type Condition, OWN_METADATA, type Stored, type Upload } from "../store.js";
import { headObject } from "./look.js";
import { putWhole } from "./put-whole.js";
import { removeObject } from "./remove.js";
import type { Session } from "./session.js";

/** A name that is held for an upload in parts. */
export interface Reservation {
  condition: Condition;
  /** Throws `PRECONDITION` when somebody else has taken it. */
  check(): Promise<void>;
  /** Gives the name back, if it is still held. */
  release(): Promise<void>;
}

/**
 * For stores that ignore the condition of an upload in parts: an empty object takes the name first, under the condition, and is looked for
 * right before the parts replace it. It bears the mark of the upload and no hash, so nobody takes it for the object.
 */
export async function reserve(
  session: Session,
  name: string,
  upload: Upload,
  condition: Condition,
): Promise<Reservation> {
  const mark = upload.metadata[OWN_METADATA.upload] ?? "";
  const isOurs = (there: Stored | undefined): there is Stored =>
    there?.size === 0 && there.metadata?.[OWN_METADATA.upload] === mark;
  const { token } = await hold(session, name, mark, condition).catch(async (error: unknown) => {
    // I6: the answer may only have been lost.
    if (codeOf(error) !== "PRECONDITION" && codeOf(error) !== "UNAVAILABLE") throw error;
    const there = await headObject(session, name);
    if (!isOurs(there)) throw error;
    return there;
  });
  const check = async () => {
    if (isOurs(await headObject(session, name))) return;
    throw new StowageError("PRECONDITION", `${name} was taken by another while its bytes were sent`);
  };
  return {
    condition: { token },
    check,
    async release() {
      await check();
      await removeObject(session, name, token);
    },
  };
}

const hold = (session: Session, name: string, mark: string, condition: Condition): Promise<Stored> => {
  const empty = { sha256: sha256Hex(""), size: 0, whole: new Uint8Array(), async *bytes() {} };
  return putWhole(session, name, { ...empty, metadata: { [OWN_METADATA.upload]: mark } }, condition);
};
