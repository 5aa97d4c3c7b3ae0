import type * as Sdk from "@aws-sdk/client-s3";
import type { Exchange, Incoming, Outgoing } from "./exchange.js";
import { dateText, escaped, type Keys, type Signable, signer } from "./sign.js";

/** Requests of one kind differ in the name and in what is handed in, and in nothing else. */
export type Kind = "put" | "head";

/** A request as the SDK hands it to the network, and the answer as it comes from there. */
type Request = Signable & Omit<Outgoing, "headers">;
export type Answer = Incoming;
interface Command {
  middlewareStack: object;
}
type Stack = Pick<Sdk.PutObjectCommand["middlewareStack"], "add">;

/** What the requests of one kind have in common. */
interface Pattern {
  request: Omit<Request, "headers">;
  /** The path without the name. */
  root: string;
  headers: Record<string, string>;
  sign: ReturnType<typeof signer>;
}

/** What a request has of its own. */
export interface Parcel<Output, Short> {
  kind: Kind;
  name: string;
  headers: Record<string, string>;
  body?: Uint8Array;
  /** Has the SDK send the same; the command is first shown to `dress`. */
  bySdk: (dress: (command: Command) => void) => Promise<Output>;
  /** What the answer says; undefined for all that is not plain success. */
  read: (answer: Answer) => Short | undefined;
  signal: AbortSignal;
}

/** The short way of small requests. */
export interface Express {
  send<Output, Short>(parcel: Parcel<Output, Short>): Promise<Output | Short>;
}

/**
 * Most of the time of a small request goes into the SDK: its steps, its schemas, the rules for end points. Here the SDK sends the first request of a
 * kind, and what it has made of it is the pattern of those that follow: where they go, how they look, how they are signed, and with its own
 * credentials; `exchange` sends them. Only where a signature made here is the very one that the SDK has made. An answer that is not plain success is handed to the SDK, which judges it as if it had
 * sent the request, and is asked for a new pattern.
 */
export function openExpress(client: Sdk.S3Client, exchange: Exchange): Express {
  const patterns = new Map<Kind, Pattern | "none">();
  return {
    async send({ kind, name, headers, body, bySdk, read, signal }) {
      const pattern = patterns.get(kind);
      if (pattern === "none" || !isPlain(headers)) return await bySdk(() => undefined);
      if (!pattern) {
        const learn = async (request: Request): Promise<void> => {
          patterns.set(kind, patternOf(request, name, headers, await client.config.credentials()) ?? "none");
        };
        return await bySdk((command) => capture(command, learn));
      }
      const request = addressed(pattern, name, headers, body);
      const answer = await sendSigned({ client, exchange }, request, pattern.sign, signal);
      const short = read(answer);
      if (short !== undefined) return short;
      if (!ABOUT_THE_OBJECT.has(answer.statusCode)) patterns.delete(kind);
      return await bySdk((command) => replay(command, answer));
    },
  };
}

/** Nothing is wrong with the request. */
const ABOUT_THE_OBJECT = new Set([404, 409, 412]);

type Sent = Request & { headers: Record<string, string> };

async function sendSigned(
  { client: { config }, exchange }: { client: Sdk.S3Client; exchange: Exchange },
  request: Sent,
  sign: Pattern["sign"],
  signal: AbortSignal,
): Promise<Answer> {
  const keys = await config.credentials();
  if (keys.sessionToken !== undefined) request.headers["x-amz-security-token"] = keys.sessionToken;
  request.headers["x-amz-date"] = dateText(Date.now() + config.systemClockOffset);
  request.headers["authorization"] = sign(request, keys);
  return await exchange(request, signal);
}

/** Set anew for each request, or by nobody but the SDK. */
const OWN = /^(authorization|x-amz-date|x-amz-security-token|content-length|amz-sdk-.*)$/;

function patternOf(request: Request, name: string, given: Record<string, string>, keys: Keys): Pattern | undefined {
  const path = name.split("/").map(escaped).join("/");
  const told = /^AWS4-HMAC-SHA256 Credential=[^/]+\/\d{8}\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), /;
  const [, region, names] = told.exec(request.headers["authorization"] ?? "") ?? [];
  if (region === undefined || names === undefined || !request.path.endsWith(`/${path}`)) return undefined;
  const sign = signer(region);
  if (sign(request, keys, names.split(";")) !== request.headers["authorization"]) return undefined;
  const { headers, body: _, ...rest } = request;
  const common = Object.entries(headers).filter(([header]) => !OWN.test(header) && !(header in given));
  // What is handed in is all that is the request's own: else it would be sent with every other.
  if (common.some(([header]) => /^x-amz-(meta|checksum)-/.test(header) || header === "if-match")) return undefined;
  const root = request.path.slice(0, -path.length);
  return { request: { ...rest }, root, headers: Object.fromEntries(common), sign };
}

function addressed(
  { request, root, headers: common }: Pattern,
  name: string,
  given: Record<string, string>,
  body: Uint8Array | undefined,
): Sent {
  const headers = { ...common, ...given, ...(body && { "content-length": String(body.length) }) };
  return { ...request, path: root + name.split("/").map(escaped).join("/"), headers, ...(body && { body }) };
}

/** What can be sent and signed without a thought. */
const isPlain = (headers: Record<string, string>): boolean =>
  Object.values(headers).every((value) => /^[\x21-\x7e]+$/.test(value));

/** Next to the network: the request is signed, and no other step has touched the answer. */
const LAST = { step: "deserialize", priority: "low" } as const;

function capture(command: Command, told: (request: Request) => Promise<void>): void {
  (command.middlewareStack as Stack).add(
    (next) => async (args) => {
      const result = await next(args);
      const { statusCode } = result.response as Answer;
      if (statusCode === 200) await told(args.request as Request);
      return result;
    },
    { ...LAST, name: "stowagePattern" },
  );
}

function replay(command: Command, answer: Answer): void {
  (command.middlewareStack as Stack).add(() => async () => ({ response: answer, output: undefined as never }), {
    ...LAST,
    name: "stowageReplay",
  });
}
