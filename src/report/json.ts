import type { Plan } from "../plan/plan.js";
import { actionsOf } from "../plan/seal.js";

/** A value as an indented JSON document. */
export const jsonDocument = (value: unknown): string => plainly(JSON.stringify(value, null, 2));

/** One event on one line. */
export const jsonLine = (value: unknown): string => plainly(JSON.stringify(value));

/**
 * The same JSON, of one value or of many: what a terminal would obey and what reorders a line (`printable` names them) is written as an escape. JSON itself escapes
 * only the first 32 characters.
 */
export const plainly = (json: string): string => (ASCII.test(json) ? json : json.replace(UNSAFE, escaped));

const ASCII = /^[\x00-\x7e]*$/;
const UNSAFE = /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc]/g;
const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;

/**
 * A plan as one JSON document: the fields of its header and footer at the top, and `actions`, one a line. Yields pieces,
 * because the whole may be longer than a string can be.
 */
export function* planDocument(plan: Plan): Generator<string> {
  const { type: _end, ...footer } = plan.footer;
  const top = jsonDocument({ ...plan.header, ...footer });
  yield `${top.slice(0, -2)},\n  "actions": [`;
  const first = "\n    ";
  let separator = first;
  for (const action of actionsOf(plan)) {
    yield separator + jsonLine(action);
    separator = ",\n    ";
  }
  yield separator === first ? "]\n}\n" : "\n  ]\n}\n";
}
