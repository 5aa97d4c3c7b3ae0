import type { Store } from "../config/config.js";
import { isSecret } from "../config/interpolate.js";
import { StowageError } from "../lib/error.js";

/** The same error, or one with the same code that says none of the secrets. */
export type Discreet = (error: unknown) => unknown;

/** What is shorter would be found in other words, and in the names of files that an error is about. */
const SHORTEST = 8;

/** What opens a location, as far as it is known here, in all the ways in which a store may quote it. */
function secretsOf(store: Store): string[] {
  switch (store.type) {
    case "s3":
      return textsIn(store.credentials);
    case "azure":
      return textsIn(store.credentials).flatMap((text) => [text, ...valuesIn(text)]);
    case "supabase":
      return [store.key];
    case "plugin":
      return Object.entries(store.options).flatMap(([name, value]) => namedSecrets(name, value));
    case "gcs":
      return [];
  }
}

/** What an SDK finds in the environment by itself; and others that are named so, which a store or a plug-in may have been given. */
const secretsIn = (environment: NodeJS.ProcessEnv): string[] =>
  Object.entries(environment).flatMap(([name, value]) =>
    value !== undefined && SECRET.test(name) && !PLACE.test(name) ? [value, ...valuesIn(value)] : [],
  );

/** Whole words, unlike `isSecret`, which only asks who may stand in storage.yaml: the value of a KEYBOARD would be hidden in the names of files. */
const SECRET = /(^|_)(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|CONNECTION_STRING|SAS)(_|$)/i;
/** Where a secret lies is none. */
const PLACE = /(_(FILE|PATH|DIR|URI|URL)|^GOOGLE_APPLICATION_CREDENTIALS)$/i;

const textsIn = (value: unknown): string[] => {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
};

/** Of connection strings and of shared access signatures. */
const valuesIn = (text: string): string[] =>
  [...text.matchAll(/(?:AccountKey|SharedAccessSignature|\bsig)=([^;&]+)/gi)].flatMap(([, value = ""]) => [
    value,
    decoded(value),
  ]);

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}

/** The options of a plug-in that are named like secrets, with all that is below them. */
function namedSecrets(name: string, value: unknown): string[] {
  if (isSecret(name)) return textsIn(value);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([inner, below]) => namedSecrets(inner, below));
}

function spellings(secret: string): string[] {
  const [bytes, encoded] = [Buffer.from(secret), encodeURIComponent(secret)];
  const base64 = bytes.toString("base64");
  const quoted = JSON.stringify(secret).slice(1, -1);
  const lower = encoded.replace(/%[0-9A-F]{2}/g, (each) => each.toLowerCase());
  const [unpadded, url, hex] = [base64.replace(/=+$/, ""), bytes.toString("base64url"), bytes.toString("hex")];
  const all = [secret, encoded, lower, base64, encodeURIComponent(base64), unpadded, url, hex, quoted];
  return all.filter((each) => each.length >= SHORTEST);
}

/** What proves who asks, and is made anew for each request: nobody can list it. What is short is a word, or the name of a file. */
const SIGNED: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/\b(AWS4-[\w-]+|GOOG4-[\w-]+)\s+Credential=[^"'<>\n]*/g, "$1 …"],
  [/\b(Bearer|Basic|SharedKey)\s+[\w.~+/:=-]{16,}/gi, "$1 …"],
  [
    /\b((?:X-(?:Amz|Goog)-(?:Signature|Credential|Security-Token)|Signature|sig|token|api_?key|AccountKey|SharedAccessSignature)(?:=|%3D))[^&\s"'<>;,]{16,}/gi,
    "$1…",
  ],
  [/\b(X-(?:Amz|Goog)-(?:Signature|Credential|Security-Token)["'\]]*\s*[:=>]\s*["'[]*)[^&\s"'<>;,]{16,}/gi, "$1…"],
];

/**
 * Stores quote what they were sent, and so do the errors of plug-ins. Takes out of an error's message and hint what opens any of
 * these stores, what the environment names as a secret, and every signature.
 */
export function discreet(stores: readonly Store[], environment: NodeJS.ProcessEnv = {}): Discreet {
  const known = [...stores.flatMap(secretsOf), ...secretsIn(environment)];
  const secrets = [...new Set(known.flatMap(spellings))].sort((a, b) => b.length - a.length);
  const hide = (text: string): string => {
    const quiet = secrets.reduce((left, secret) => left.replaceAll(secret, "…"), text);
    return SIGNED.reduce((left, [pattern, instead]) => left.replace(pattern, instead), quiet);
  };
  return (error) => {
    if (!(error instanceof Error)) return typeof error === "string" ? hide(error) : error;
    const hint = error instanceof StowageError ? error.hint : undefined;
    const [message, next] = [hide(error.message), hint === undefined ? undefined : hide(hint)];
    if (message === error.message && next === hint) return error;
    if (!(error instanceof StowageError)) return Object.assign(new Error(message), fieldsOf(error));
    // Without its cause, which says it once more.
    const told = new StowageError(error.code, message, { ...(next !== undefined && { hint: next }), exit: error.exit });
    return Object.assign(told, transience(error));
  };
}

/** What those who catch it may look at. */
const fieldsOf = (error: Error): object =>
  "code" in error && typeof error.code === "string" ? { code: error.code } : {};

const transience = (error: StowageError): object => ({
  ...("retryAfter" in error && { retryAfter: error.retryAfter }),
  ...("throttled" in error && { throttled: error.throttled }),
});

/** The same object, whose functions throw discreet errors only, at once, later, and while what they return is read. */
export function discreetly<T extends object>(target: T, quiet: Discreet): T {
  return new Proxy(target, {
    get(object, name) {
      const value: unknown = Reflect.get(object, name, object);
      if (typeof value === "function") return (...args: unknown[]) => guarded(() => value.apply(object, args), quiet);
      return typeof value === "object" && value !== null && PARTS.has(name) ? discreetly(value, quiet) : value;
    },
  });
}

/** Of a backend, what has functions of its own. */
const PARTS: ReadonlySet<string | symbol> = new Set(["register", "journals"]);

function guarded(call: () => unknown, quiet: Discreet): unknown {
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    throw quiet(error);
  }
  if (result instanceof Promise) {
    return result.catch((error: unknown) => {
      throw quiet(error);
    });
  }
  return isIterable(result) ? reading(result, quiet) : result;
}

const isIterable = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === "object" && value !== null && Symbol.asyncIterator in value;

async function* reading(items: AsyncIterable<unknown>, quiet: Discreet): AsyncGenerator<unknown> {
  try {
    yield* items;
  } catch (error) {
    throw quiet(error);
  }
}
