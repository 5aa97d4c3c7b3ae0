/** Says what is wrong with a value, as the end of a sentence; undefined when nothing is. */
export type Shape = (value: unknown) => string | undefined;

/** A mapping that has at least these fields as its own. */
export function field(shapes: Record<string, Shape>): Shape {
  const entries = Object.entries(shapes);
  return (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return "is no mapping";
    for (const [name, shape] of entries) {
      const inner = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
      const problem = shape(inner);
      if (problem !== undefined) return joined(name, problem);
    }
    return undefined;
  };
}

export function list(shape: Shape): Shape {
  return (value) => {
    if (!Array.isArray(value)) return "is no list";
    for (const [index, each] of value.entries()) {
      const problem = shape(each);
      if (problem !== undefined) return joined(String(index), problem);
    }
    return undefined;
  };
}

/** `from.key is …`: a problem of what lies below begins with its name. */
const joined = (name: string, problem: string): string => `${name}${/^(is|can) /.test(problem) ? " " : "."}${problem}`;

export const is =
  (type: "boolean" | "number" | "string"): Shape =>
  (value) =>
    typeof value === type && (type !== "number" || Number.isFinite(value)) ? undefined : `is no ${WORDS[type]}`;

const WORDS = { boolean: "truth value", number: "number", string: "text" };

export const text = is("string");

/** A number of things or bytes. */
export const count: Shape = (value) => (Number.isSafeInteger(value) && Number(value) >= 0 ? undefined : "is no count");

/** Not negative. */
export const number: Shape = (value) => (Number.isFinite(value) && Number(value) >= 0 ? undefined : "is no amount");

export const oneOf =
  (...values: unknown[]): Shape =>
  (value) =>
    values.includes(value) ? undefined : `is none of ${values.join(", ")}`;

export const matches =
  (pattern: RegExp, problem: string): Shape =>
  (value) =>
    typeof value === "string" && pattern.test(value) ? undefined : problem;

export const either =
  (constant: null | undefined, shape: Shape): Shape =>
  (value) =>
    value === constant ? undefined : shape(value);

export const anything: Shape = () => undefined;
