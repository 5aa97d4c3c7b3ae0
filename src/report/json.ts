import type { Plan } from "../plan/plan.js";

/** A value as an indented JSON document. */
export const jsonDocument = (value: unknown): string => JSON.stringify(value, null, 2);

/** One event on one line. */
export const jsonLine = (value: unknown): string => JSON.stringify(value);

/**
 * A plan as one JSON document: the fields of its header and footer at the top, and `actions`, one a line. Yields pieces,
 * because the whole may be longer than a string can be.
 */
export function* planDocument(plan: Plan): Generator<string> {
  const { type: _end, ...footer } = plan.footer;
  const top = JSON.stringify({ ...plan.header, ...footer }, null, 2);
  yield `${top.slice(0, -2)},\n  "actions": [`;
  let separator = "\n    ";
  for (const action of plan.actions) {
    yield separator + JSON.stringify(action);
    separator = ",\n    ";
  }
  yield plan.actions.length > 0 ? "\n  ]\n}\n" : "]\n}\n";
}
