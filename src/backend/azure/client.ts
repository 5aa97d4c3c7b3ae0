import type {
  AnonymousCredential,
  BlobServiceClient,
  ContainerClient,
  RequestPolicyFactory,
  StoragePipelineOptions,
  StorageSharedKeyCredential,
} from "@azure/storage-blob";
import type { AzureStore } from "../../config/config.js";
import { StowageError } from "../../lib/error.js";

type Sdk = typeof import("@azure/storage-blob");
type Identity = import("@azure/core-auth").TokenCredential;
type Credential = StorageSharedKeyCredential | AnonymousCredential | Identity;

/** How requests are signed: it decides what can be copied and linked to. */
export type Signing = "key" | "sas" | "identity";

export interface Opened {
  service: BlobServiceClient;
  container: ContainerClient;
  signing: Signing;
  sdk: Sdk;
}

/** The client of a container; loads the SDK. Sends nothing. */
export async function openContainer(store: AzureStore): Promise<Opened> {
  const sdk = await import("@azure/storage-blob");
  const { service, signing } = await openService(sdk, store);
  return { service, container: service.getContainerClient(store.container), signing, sdk };
}

async function openService(
  sdk: Sdk,
  { account, endpoint, credentials = {} }: AzureStore,
): Promise<{ service: BlobServiceClient; signing: Signing }> {
  const { connectionString, accountKey, sasToken } = credentials;
  if (connectionString) return fromConnectionString(sdk, connectionString);
  if (!account && !endpoint) throw missing("neither `account` nor `endpoint` says where the container is");
  const url = (endpoint ?? `https://${account}.blob.core.windows.net`).replace(/\/+$/, "");
  if (accountKey) {
    if (!account) throw missing("an account key needs the name of the account");
    const credential = new sdk.StorageSharedKeyCredential(account, accountKey);
    return { service: serviceOf(sdk, url, credential), signing: "key" };
  }
  if (sasToken) {
    const signed = `${url}?${sasToken.replace(/^\?/, "")}`;
    return { service: serviceOf(sdk, signed, new sdk.AnonymousCredential()), signing: "sas" };
  }
  return { service: serviceOf(sdk, url, await defaultCredential()), signing: "identity" };
}

function fromConnectionString(sdk: Sdk, text: string): { service: BlobServiceClient; signing: Signing } {
  try {
    // Only its parts are taken: the pipeline must be ours.
    const { url, credential } = sdk.BlobServiceClient.fromConnectionString(text);
    const signing = credential instanceof sdk.StorageSharedKeyCredential ? "key" : "sas";
    return { service: serviceOf(sdk, url, credential), signing };
  } catch {
    // Its text may quote the secret.
    throw missing("the connection string can not be understood");
  }
}

const serviceOf = (sdk: Sdk, url: string, credential: Credential): BlobServiceClient => {
  const pipeline = sdk.newPipeline(credential, OPTIONS);
  pipeline.factories.push({ create: (next) => ({ sendRequest: (request) => next.sendRequest(checked(request)) }) });
  return new sdk.BlobServiceClient(url, pipeline);
};

/** Trying again is the business of `Requests`. */
const OPTIONS: StoragePipelineOptions = {
  retryOptions: { maxTries: 1 },
  keepAliveOptions: { enable: true },
  userAgentOptions: { userAgentPrefix: "stowage" },
};

type WebResource = Parameters<ReturnType<RequestPolicyFactory["create"]>["sendRequest"]>[0];

/** Has the service check what arrives of a blob in one piece; the SDK only hands on the property. */
function checked(request: WebResource): WebResource {
  const md5 = request.headers.get("x-ms-blob-content-md5");
  const whole = request.headers.get("x-ms-blob-type") === "BlockBlob" && request.body != null;
  if (md5 && whole && !request.headers.get("x-ms-copy-source")) request.headers.set("Content-MD5", md5);
  return request;
}

/** Azure's own chain: environment, workload or managed identity, `az login`. Its package is large and only needed here. */
async function defaultCredential(): Promise<Identity> {
  const name = "@azure/identity";
  try {
    const identity: { DefaultAzureCredential: new () => Identity } = await import(name);
    return new identity.DefaultAzureCredential();
  } catch (cause) {
    throw new StowageError("ACCESS_DENIED", "there are no credentials for Azure", {
      cause,
      hint: "Set `credentials` with ${VARIABLES}, or install @azure/identity beside stowage for `az login` and managed identities.",
    });
  }
}

const missing = (fact: string): StowageError =>
  new StowageError("ACCESS_DENIED", `Azure: ${fact}`, {
    hint: "docs/backends/azure.md shows every way to name an account and its credentials.",
  });
