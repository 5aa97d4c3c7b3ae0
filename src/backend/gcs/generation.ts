import { StowageError } from "../../lib/error.js";
import { printable } from "../../lib/key.js";
import type { Condition } from "../store.js";

/**
 * The generation that must be there for something to happen; "0" = no object. A token that is no generation was never the object's, and must not
 * become a request without a condition: `PRECONDITION`.
 */
export function expected(about: string, condition: Condition): string {
  if ("absent" in condition) return "0";
  if (/^[1-9]\d{0,18}$/.test(condition.token)) return condition.token;
  throw new StowageError("PRECONDITION", `${printable(about)} is not the object that was described`);
}
