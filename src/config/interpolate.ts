/** Variables by name; what is not an own property is unset. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Interpolated {
  text: string;
  problems: { index: number; message: string; hint?: string }[];
  /** The variables whose values are in `text`. */
  used: { name: string; value: string }[];
}

/** Variables whose values are never shown. */
export const isSecret = (name: string): boolean => /KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL/i.test(name);

/** `${V}` (unset is a problem), `${V:-default}` (also for an empty value), `${V:?message}`, `$$`. What is put in is not looked at again. */
export function interpolate(source: string, env: Environment): Interpolated {
  const out: Interpolated = { text: "", problems: [], used: [] };
  for (let at = 0; at < source.length; ) {
    const dollar = source.indexOf("$", at);
    if (dollar < 0) {
      out.text += source.slice(at);
      break;
    }
    out.text += source.slice(at, dollar);
    at = dollar + 1;
    if (source[at] === "$") at += 1;
    if (source[dollar + 1] !== "{") {
      out.text += "$";
      continue;
    }
    const end = source.indexOf("}", at);
    if (end < 0) {
      out.problems.push({ index: dollar, message: "${ has no }", hint: "Write $${ for the characters." });
      break;
    }
    variable(source.slice(at + 1, end), dollar, env, out);
    at = end + 1;
  }
  return out;
}

function variable(source: string, index: number, env: Environment, out: Interpolated): void {
  const match = /^([A-Za-z_][A-Za-z0-9_]*)(?::([-?])(.*))?$/s.exec(source);
  if (!match) {
    out.problems.push({
      index,
      message: `\${${source}} is no variable`,
      hint: "Write ${NAME}, ${NAME:-default} or ${NAME:?message}; $${ for the characters.",
    });
    return;
  }
  const [, name, form, rest] = match as unknown as [string, string, string | undefined, string | undefined];
  const value = Object.hasOwn(env, name) ? env[name] : undefined;
  if (value !== undefined && (value !== "" || form === undefined)) {
    out.text += value;
    out.used.push({ name, value });
  } else if (form === "-") out.text += rest ?? "";
  else if (form === "?")
    out.problems.push({ index, message: `the variable ${name} is not set: ${rest || "it is needed here"}` });
  else {
    out.problems.push({
      index,
      message: `the variable ${name} is not set`,
      hint: `Set it, or write \${${name}:-default}.`,
    });
  }
}
