import { count, either, field, is, list, matches, type Shape, text } from "../plan/shape.js";

const time = is("number");
const decimal = matches(/^-?\d{1,30}$/, "is no number as text");
const ref = { location: text, key: text };
const optional = (shape: Shape) => either(undefined, shape);

const present = field({ ...ref, sha256: text, size: count, mtime: decimal, version: text, by: text });
const removed = field({ ...ref, sha256: text, trashed: is("boolean") });
const outcome = field({
  ...{ action: text, kind: text, outcome: text, code: optional(text), message: optional(text), bytes: count },
  ...{ present: list(present), removed: list(removed), rot: list(field(ref)), disproved: optional(list(field(ref))) },
});
const removal = { ...ref, at: time, action: text, sha256: text, trash: is("boolean") };
const removalOutcome = field({ ...removal, code: optional(text), message: optional(text) });
const COUNTS = ["copied", "moved", "deleted", "verified", "failed", "skipped", "bytes"];
const report = field({ status: text, ...Object.fromEntries(COUNTS.map((name) => [name, count])) });

const SHAPES: Record<string, Shape> = {
  run: field({
    ...{ run: text, plan_id: text, config: text, started: time },
    locations: list(field({ location: text, uuid: either(null, text) })),
    after: optional(field({ run: text, hash: text })),
  }),
  remove: field({ ...removal, version: text, planned: text, size: count, mtime: decimal, physical: optional(text) }),
  removed: removalOutcome,
  kept: removalOutcome,
  done: field({ at: time, outcome }),
  end: field({ at: time, report }),
};

/**
 * Why a line whose hash is right is none that stowage has written: whoever may write to a journal, or to its copy in a location, can seal
 * anything. Undefined where it is one. Lines of types that are not known here are let be.
 */
export const misshapen: Shape = (line) => {
  const type: unknown = typeof line === "object" && line !== null ? Reflect.get(line, "type") : undefined;
  if (typeof type !== "string") return "type is no text";
  return Object.hasOwn(SHAPES, type) ? SHAPES[type]?.(line) : undefined;
};
