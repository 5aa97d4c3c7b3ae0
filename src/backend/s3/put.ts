import type { Condition, Stored, Upload } from "../store.js";
import { putParts } from "./parts.js";
import { putWhole } from "./put-whole.js";
import { reserve } from "./reserve.js";
import type { Session } from "./session.js";

/** One request where one can carry it, unless parts honour the condition as well: they are faster, and sent again one by one. */
export async function put(session: Session, name: string, upload: Upload, condition: Condition): Promise<Stored> {
  const { single, largest } = session.limits;
  const { size, safeParts = false, parts = false } = upload;
  if (size === 0 || (!parts && size <= (safeParts ? single : largest))) {
    return await putWhole(session, name, upload, condition);
  }
  const reserving = !parts && !safeParts && "absent" in condition;
  return await putParts(session, name, upload, reserving ? () => reserve(session, name, upload) : condition);
}
