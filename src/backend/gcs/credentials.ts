import type { Storage } from "@google-cloud/storage";
import type { GcsStore } from "../../config/config.js";
import { codeOf, StowageError } from "../../lib/error.js";
import { unavailable } from "../requests.js";

/** Who asks. All of it is the SDK's work: application default credentials, key files, workload identity, impersonation. */
export interface Credentials {
  /** Headers that authorize one request. Throws `ACCESS_DENIED` when there are no credentials or they are refused. */
  headers(url: URL): Promise<Record<string, string>>;
  /** The store did not accept them: the next ones are fetched anew. False where that can not help. */
  renew(): boolean;
  /** A V4 signed URL. Throws `ACCESS_DENIED` when the identity can not sign. */
  sign(name: string, options: SignOptions): Promise<string>;
}

export interface SignOptions {
  method: "GET" | "PUT";
  /** Milliseconds from now. */
  expires: number;
}

/** A token is good for everything its owner may do: it is never sent over a connection that anybody can read. */
const trusted = (base: URL): boolean => base.protocol === "https:";

const SIGN_IN =
  "Set credentials_path to a key file, or sign in: `gcloud auth application-default login`, GOOGLE_APPLICATION_CREDENTIALS, workload identity.";
const SIGN_KEY =
  "Signing needs the key file of a service account (credentials_path), or a service account that may iam.serviceAccounts.signBlob for itself.";
const DAY = 24 * 60 * 60 * 1000;
const LONGEST = 7 * DAY;

export async function openCredentials(store: GcsStore, base: URL): Promise<Credentials> {
  // Only who opens such a location pays for loading it.
  const sdk = await import("@google-cloud/storage");
  const open = (): Storage =>
    new sdk.Storage({
      retryOptions: { autoRetry: false, maxRetries: 0 },
      apiEndpoint: base.origin,
      useAuthWithCustomEndpoint: true,
      ...(store.project !== undefined && { projectId: store.project }),
      ...(store.credentialsPath !== undefined && { keyFilename: store.credentialsPath }),
    });
  let storage = open();
  return {
    async headers(url) {
      if (!trusted(base)) return {};
      try {
        return { ...(await storage.authClient.getRequestHeaders(url.href)) };
      } catch (error) {
        throw unauthorized(store, error);
      }
    },
    renew() {
      if (!trusted(base)) return false;
      storage = open();
      return true;
    },
    async sign(name, { method, expires }) {
      if (expires > LONGEST) throw new StowageError("BAD_VALUE", "a link of Cloud Storage lasts 7 days at most");
      if (!trusted(base) && store.credentialsPath === undefined) throw unsigned();
      const file = storage.bucket(store.bucket).file(name);
      const until = { version: "v4", expires: Date.now() + expires, host: base.origin } as const;
      try {
        const [url] = await file.getSignedUrl(
          method === "GET"
            ? { ...until, action: "read" }
            : { ...until, action: "write", extensionHeaders: { "x-goog-if-generation-match": "0" } },
        );
        return url;
      } catch (error) {
        throw statusOf(error) === undefined && !isNetwork(error) ? unsigned() : unauthorized(store, error);
      }
    },
  };
}

const unsigned = () => new StowageError("ACCESS_DENIED", "these credentials can not sign links", { hint: SIGN_KEY });

/** The SDK's own errors may quote keys and assertions: neither their text nor they themselves are passed on. */
function unauthorized({ bucket, credentialsPath }: GcsStore, error: unknown): StowageError {
  const status = statusOf(error);
  if (isNetwork(error) || status === 429 || (status !== undefined && status >= 500)) {
    return unavailable(
      `gs://${bucket}: the service that gives out credentials does not answer (${status ?? codeOf(error)})`,
    );
  }
  const source = credentialsPath === undefined ? "no application default credentials that work" : credentialsPath;
  const why = codeOf(error) === "ENOENT" ? "no such file" : status === undefined ? "not usable" : `refused (${status})`;
  const fact = credentialsPath === undefined ? source : `the credentials in ${source} do not work: ${why}`;
  return new StowageError("ACCESS_DENIED", `gs://${bucket}: ${fact}`, { hint: SIGN_IN });
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("response" in error)) return undefined;
  const { response } = error;
  if (typeof response !== "object" || response === null || !("status" in response)) return undefined;
  return typeof response.status === "number" ? response.status : undefined;
}

const isNetwork = (error: unknown): boolean => /^(E(CONN|HOST|NET|PIPE|TIMEDOUT|AI_)|UND_)/.test(codeOf(error) ?? "");
