import type * as Sdk from "@aws-sdk/client-s3";
import type { S3Store } from "../../config/config.js";
import { codeOf } from "../../lib/error.js";
import type { Attempt, RequestOptions, Requests } from "../requests.js";
import { unavailable } from "../requests.js";
import { type Buffers, openBuffers } from "./buffers.js";
import { INTERNAL, published, regionIn, s3Error } from "./errors.js";
import { openLine } from "./exchange.js";
import { type Express, openExpress } from "./express.js";

/** What all requests of one bucket share. */
export interface Session {
  readonly sdk: typeof Sdk;
  readonly client: Sdk.S3Client;
  readonly requests: Requests;
  readonly store: S3Store;
  readonly limits: Limits;
  /** For the parts of all uploads together. */
  readonly buffers: Buffers;
  /** `s3://host/bucket` */
  readonly address: string;
  readonly express: Express;
  /** Which host is asked, for messages. */
  readonly host: string;
  /** Sends requests about one object (or the bucket) as one unit that may be tried again, and speaks the contract's codes. */
  ask<T>(name: string | undefined, body: (attempt: Attempt) => Promise<T>, options?: RequestOptions): Promise<T>;
  /** Asked once. */
  versioned(): Promise<boolean>;
  close(): void;
}

/** Sizes in bytes, times in milliseconds; only tests change them. */
export interface Limits {
  /** Up to here an object goes as one request. */
  single: number;
  /** The largest object that one request can carry. */
  largest: number;
  part: number;
  /** What all parts on their way may take together. */
  memory: number;
  /** Up to here a server-side copy is one request; above, parts of `copyPart`. */
  copy: number;
  copyPart: number;
  /** Keys of one page of a listing. */
  page: number;
  /** A listing is cut while this process has less to do than this share of the time: otherwise it is not the store that it waits for. */
  busy: number;
  /** For so long a bucket that was there is believed to be there. */
  remembered: number;
}

const [MIB, GIB] = [1 << 20, 1 << 30];

export const LIMITS: Limits = {
  ...{ single: 64 * MIB, largest: 5 * GIB, part: 8 * MIB, memory: 24 * MIB },
  ...{ copy: 5 * GIB, copyPart: GIB, page: 1000, busy: 0.6, remembered: 3_000 },
};

/** S3's own bound. */
export const MOST_PARTS = 10_000;

const SOCKETS = 256;
const CONNECTIONS = { keepAlive: true, maxSockets: SOCKETS };
const CONNECT = 10_000;
const SILENCE = 120_000;

export async function openSession(store: S3Store, requests: Requests, limits: Limits): Promise<Session> {
  // Commands that touch no bucket must not pay for it.
  const sdk = await import("@aws-sdk/client-s3");
  const host = hostOf(store);
  const address = `s3://${host}/${store.bucket}`;
  const region = regionSource(sdk, store);
  const client = clientOf(sdk, store, region.now);
  const line = await openLine(SOCKETS);
  let versioned: Promise<boolean> | undefined;

  async function ask<T>(
    name: string | undefined,
    body: (attempt: Attempt) => Promise<T>,
    options?: RequestOptions,
  ): Promise<T> {
    const what = name === undefined ? `s3://${store.bucket}` : `s3://${store.bucket}/${name}`;
    try {
      return await requests.send(async (attempt) => {
        try {
          return await body(attempt);
        } catch (error) {
          const told = s3Error(error, { what, host });
          if (codeOf(told) !== INTERNAL.region || !region.learn(regionIn(error))) throw told;
          throw unavailable(told.message);
        }
      }, options);
    } catch (error) {
      throw published(error);
    }
  }

  return {
    ...{ sdk, client, requests, store, limits, address, host, ask },
    buffers: openBuffers(limits.memory),
    express: openExpress(client, line.exchange),
    versioned() {
      versioned ??= isVersioned(sdk, client, store.bucket, ask).catch((error: unknown) => {
        versioned = undefined;
        throw error;
      });
      return versioned;
    },
    close() {
      line.close();
      client.destroy();
    },
  };
}

function clientOf(sdk: typeof Sdk, store: S3Store, region: () => Promise<string>): Sdk.S3Client {
  return new sdk.S3Client({
    region,
    maxAttempts: 1,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    expectContinueHeader: false,
    logger: SILENT,
    requestHandler: {
      ...{ connectionTimeout: CONNECT, socketTimeout: SILENCE, requestTimeout: 0 },
      ...{ httpAgent: CONNECTIONS, httpsAgent: CONNECTIONS },
    },
    ...(store.endpoint !== undefined && { endpoint: store.endpoint }),
    forcePathStyle: store.forcePathStyle ?? hasNoSubdomains(store),
    ...(store.profile !== undefined && { profile: store.profile }),
    ...(store.credentials && { credentials: store.credentials }),
  });
}

/** A bucket's name can not be put before an address in numbers or the name of this machine. */
const hasNoSubdomains = (store: S3Store): boolean =>
  /^(localhost|[\d.]+|\[.*\])(:\d+)?$/.test(store.endpoint === undefined ? "" : hostOf(store));

/** The SDK would write to the console; what went wrong is thrown. */
const ignore = (): void => undefined;
const SILENT = { trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore };

/** A bucket of Amazon's, and not of another store that speaks S3. */
export const isAmazon = ({ endpoint }: S3Store): boolean => endpoint === undefined || AMAZON.test(endpoint);
const AMAZON = /(^|[/.-])amazonaws\.com(\.cn)?([:/]|$)/i;

/** Amazon's buckets have one name space, whatever the region. */
function hostOf(store: S3Store): string {
  if (isAmazon(store)) return "s3.amazonaws.com";
  const endpoint = store.endpoint ?? "";
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  // Never the whole text: it may hold a user's name and secret.
  return url?.host.toLowerCase() || "an endpoint that is no URL";
}

interface RegionSource {
  now(): Promise<string>;
  /** True when this is news. */
  learn(region: string | undefined): boolean;
}

/** What is written, else what the SDK finds, else what most other stores take. */
function regionSource(sdk: typeof Sdk, store: S3Store): RegionSource {
  let known = store.region;
  return {
    async now() {
      if (known !== undefined) return known;
      const standard = new sdk.S3Client(store.profile === undefined ? {} : { profile: store.profile });
      try {
        known = await standard.config.region();
      } catch (error) {
        if (isAmazon(store)) throw error;
        known = "us-east-1";
      } finally {
        standard.destroy();
      }
      return known;
    },
    learn(region) {
      if (region === undefined || region === known) return false;
      known = region;
      return true;
    },
  };
}

/** Suspended versioning is none: what is written and removed then is not kept. */
async function isVersioned(
  sdk: typeof Sdk,
  client: Sdk.S3Client,
  bucket: string,
  ask: Session["ask"],
): Promise<boolean> {
  try {
    const { Status } = await ask(undefined, ({ signal }) =>
      client.send(new sdk.GetBucketVersioningCommand({ Bucket: bucket }), { abortSignal: signal }),
    );
    return Status === "Enabled";
  } catch (error) {
    if (codeOf(error) === "UNSUPPORTED") return false;
    throw error;
  }
}
