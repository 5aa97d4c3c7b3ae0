import { codeOf } from "../../lib/error.js";
import type { Condition, Stored, Upload } from "../store.js";
import { headObject } from "./look.js";
import { putParts } from "./parts.js";
import { putWhole } from "./put-whole.js";
import { reserve } from "./reserve.js";
import { isAmazon, type Session } from "./session.js";

/** One request where one can carry it, unless parts honour the condition as well: they are faster, and sent again one by one. */
export async function put(session: Session, name: string, upload: Upload, condition: Condition): Promise<Stored> {
  const { single, largest } = session.limits;
  const { size, safeParts = false, parts = false } = upload;
  if (size === 0 || (!parts && size <= (safeParts ? single : largest))) {
    return "token" in condition
      ? await replace(session, name, upload, condition)
      : await putWhole(session, name, upload, condition);
  }
  const reserving = !parts && !safeParts;
  return await putParts(session, name, upload, reserving ? () => reserve(session, name, upload, condition) : condition);
}

/**
 * Some stores refuse to replace in versioned buckets, under the right token too. There it is sent without the condition, and taken back unless it
 * came to lie on the version of the token. The name is not free for one moment: a lock that is renewed must not look like one that nobody holds.
 */
async function replace(session: Session, name: string, upload: Upload, condition: { token: string }): Promise<Stored> {
  try {
    return await putWhole(session, name, upload, condition);
  } catch (error) {
    // Amazon honours the condition: its refusal is an answer.
    if (codeOf(error) !== "PRECONDITION" || isAmazon(session.store) || !(await session.versioned())) throw error;
    if ((await headObject(session, name))?.token !== condition.token) throw error;
  }
  return await putWhole(session, name, upload, condition, { unconditional: true });
}
