import { invalidKey, splitKey } from "../lib/key.js";
import { keepsKey, type Template, type TemplateField, type TemplatePart } from "./config.js";
import { didYouMean } from "./suggest.js";
import { clockIn } from "./timezone.js";

/** What the fields of a key template take their values from. */
export interface TemplateValues {
  /** The key of the instance. */
  key: string;
  /** Lower-case hex. */
  sha256: string;
  project: string | null;
  attrs: Record<string, string>;
  mediaType: string | null;
  /** mtime in milliseconds since the epoch; undefined where it is not known. */
  modified: number | undefined;
  location: string;
  /** IANA name. */
  timezone: string;
}

/** `unresolved` names what has no value; where the values make no valid key, `invalid` says why. */
export type Rendered = { key: string } | { unresolved: string; invalid?: string };

/** Pure. The key is valid (`lib/key`); an empty `{dir}` or `{ext}` leaves no empty segment. */
export function renderKey(template: Template, values: TemplateValues): Rendered {
  if (keepsKey(template)) return { key: values.key };
  const parts = splitKey(values.key);
  let key = "";
  for (const part of template.parts) {
    if ("literal" in part) {
      key += part.literal;
      continue;
    }
    const value = lookUp(part.field, parts, values) ?? part.fallback;
    if (value === undefined) return { unresolved: fieldName(part.field) };
    key += value;
  }
  if (key.includes("//")) key = key.replace(/\/{2,}/g, "/");
  if (key.startsWith("/")) key = key.slice(1);
  const invalid = invalidKey(key);
  return invalid === undefined ? { key } : { unresolved: template.text, invalid };
}

function lookUp(field: TemplateField, parts: ReturnType<typeof splitKey>, values: TemplateValues): string | undefined {
  switch (field.name) {
    case "path":
      return values.key;
    case "dir":
    case "filename":
    case "stem":
    case "ext":
      return parts[field.name];
    case "project":
      return values.project ?? undefined;
    case "media_type":
      return values.mediaType ?? undefined;
    case "location":
      return values.location;
    case "sha256":
      return values.sha256.slice(0, field.length);
    case "modified":
      return values.modified === undefined ? undefined : formatTime(values.modified, field.format, values.timezone);
    case "attr":
      return Object.hasOwn(values.attrs, field.attr) ? values.attrs[field.attr] : undefined;
  }
}

const fieldName = (field: TemplateField): string => (field.name === "attr" ? `attr.${field.attr}` : field.name);

const FIELDS = ["path", "dir", "filename", "stem", "ext", "sha256", "project", "media_type", "modified", "location"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DIRECTIVES = "YymdHMSjb";
/** Longer is no path on any disk. */
const MAX_LENGTH = 4096;

type Report = (message: string, hint?: string) => void;

/**
 * `{project|unsorted}/{modified:%Y/%m}/{filename}`; `{{` and `}}` stand for braces. Reports every problem; the template is
 * whole when there was none.
 */
export function parseTemplate(text: string, report: Report): Template {
  const parts: TemplatePart[] = [];
  if (text.length > MAX_LENGTH) {
    report(`the key template is longer than ${MAX_LENGTH} characters`);
    return { text, parts };
  }
  /** The literal text, and an x for every field. */
  let shape = "";
  let literal = "";
  let balanced = true;
  const flush = (): void => {
    if (literal !== "") parts.push({ literal });
    shape += literal;
    literal = "";
  };
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]!;
    const end = char === "{" ? closing(text, at) : -1;
    if ((char === "{" || char === "}") && text[at + 1] === char) {
      literal += char;
      at += 1;
    } else if (end > 0) {
      flush();
      const part = parseField(text.slice(at + 1, end), report);
      if (part) parts.push(part);
      shape += "x";
      at = end;
    } else if (char === "{" || char === "}") {
      balanced = false;
      report("mismatched { and }", `Write ${char}${char} for the character.`);
    } else literal += char;
  }
  flush();
  if (balanced) checkShape(shape, report);
  return { text, parts };
}

/** Where the brace at `at` is closed, or -1. */
function closing(text: string, at: number): number {
  let depth = 0;
  for (let end = at; end < text.length; end += 1) {
    if (text[end] === "{") depth += 1;
    else if (text[end] === "}") depth -= 1;
    if (depth === 0) return end;
  }
  return -1;
}

/** Finds what could never be a key, whatever the values. */
function checkShape(shape: string, report: Report): void {
  if (shape.trim() === "") report("the key template is empty");
  else if (shape.endsWith("/")) report("the key template ends with a folder", "End it with /{filename}.");
  const key = shape.replace(/\/{2,}/g, "/").replace(/^\/|\/$/g, "");
  const problem = key.trim() && invalidKey(key);
  if (problem) report(problem);
}

function parseField(source: string, report: Report): TemplatePart | undefined {
  const bar = source.indexOf("|");
  const whole = (bar < 0 ? source : source.slice(0, bar)).trim();
  const fallback = bar < 0 ? undefined : source.slice(bar + 1);
  if (fallback?.includes("{")) report(`{${source}}: a fallback can not contain a field`);
  const colon = whole.indexOf(":");
  const name = colon < 0 ? whole : whole.slice(0, colon);
  const field = fieldOf(name, colon < 0 ? undefined : whole.slice(colon + 1), report);
  return field && (fallback === undefined ? { field } : { field, fallback });
}

function fieldOf(name: string, argument: string | undefined, report: Report): TemplateField | undefined {
  const attr = /^attr\.([A-Za-z_][A-Za-z0-9_]*)$/.exec(name);
  const all = `Fields: ${FIELDS.join(" ")} attr.NAME.`;
  if (name === "created") report("{created} is not supported by this version", "Use {modified:%Y/%m}.");
  else if (name === "") report("{} has no field", all);
  else if (!attr && !FIELDS.includes(name)) report(`unknown field {${name}}`, didYouMean(name, FIELDS) ?? all);
  else if (name === "sha256") return { name, length: hashLength(argument, report) };
  else if (name === "modified") return { name, format: timeFormat(argument, report) };
  else {
    if (argument !== undefined) report(`{${name}} takes no argument`, `Write {${name}}, or {${name}|fallback}.`);
    return attr ? { name: "attr", attr: attr[1]! } : ({ name } as TemplateField);
  }
  return undefined;
}

function hashLength(argument: string | undefined, report: Report): number {
  if (argument === undefined) return 64;
  const length = /^\d{1,2}$/.test(argument) ? Number(argument) : 0;
  if (length < 1 || length > 64) report(`{sha256:${argument}} takes a number of digits from 1 to 64`);
  return length;
}

function timeFormat(argument: string | undefined, report: Report): string {
  if (!argument) report("{modified} needs a format", "Write {modified:%Y/%m}.");
  for (const [whole, directive] of (argument ?? "").matchAll(/%(.?)/gsu)) {
    if (directive === "%" || (directive && DIRECTIVES.includes(directive))) continue;
    report(`unknown time directive ${whole}`, `There are ${DIRECTIVES.replace(/./g, "%$& ")}and %%.`);
  }
  return argument ?? "";
}

function formatTime(milliseconds: number, format: string, timezone: string): string | undefined {
  if (!(Math.abs(milliseconds) <= 8_640_000_000_000_000)) return undefined;
  const [year, month, day, hour, minute, second] = clockIn(milliseconds, timezone);
  const two = (value: number): string => String(value).padStart(2, "0");
  return format.replace(/%(.)/gs, (_, directive: string) => {
    switch (directive) {
      case "Y":
        return String(year).padStart(4, "0");
      case "y":
        return two(((year % 100) + 100) % 100);
      case "m":
        return two(month);
      case "d":
        return two(day);
      case "H":
        return two(hour);
      case "M":
        return two(minute);
      case "S":
        return two(second);
      case "b":
        return MONTHS[month - 1]!;
      case "j":
        return String(
          (Date.UTC(2000, month - 1, day) - Date.UTC(2000, 0, 1)) / 86_400_000 +
            1 -
            (month > 2 && !isLeap(year) ? 1 : 0),
        ).padStart(3, "0");
      default:
        return "%";
    }
  });
}

const isLeap = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
