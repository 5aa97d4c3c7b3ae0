import type { BlockBlobClient, ContainerClient } from "@azure/storage-blob";
import { printable } from "../../lib/key.js";
import type { Attempt, RequestOptions, Requests } from "../requests.js";
import type { Condition } from "../store.js";
import { azureError } from "./error.js";
import { checkName } from "./name.js";

/** A container, opened: what the parts of the adapter share. */
export interface Azure {
  container: ContainerClient;
  requests: Requests;
  /** Access tier of what is written; undefined = the account's own. */
  tier: string | undefined;
  limits: AzureLimits;
  /** A version id was seen in an answer: the account keeps versions. */
  versions: boolean;
  /** `azure://host/container` */
  address: string;
}

/** Sizes in bytes; the service's own limits allow more. */
export interface AzureLimits {
  /** Of one block, and of what is sent in one piece. */
  block: number;
  /** Blocks of one blob. */
  blocks: number;
  /** Bytes of one upload that are in memory at once. */
  memory: number;
  /** The largest blob that the service copies in one request, and one block of a copy. */
  copy: number;
  /** Names in one page of a listing. */
  page: number;
}

export const LIMITS: AzureLimits = { block: 8 << 20, blocks: 50_000, memory: 32 << 20, copy: 256 << 20, page: 5000 };

/** @throws `UNSUPPORTED_NAME` */
export function blobOf({ container }: Azure, name: string): BlockBlobClient {
  checkName(name);
  return container.getBlockBlobClient(name);
}

/** Sends one request about a blob, and puts what goes wrong in the terms of the backend contract. */
export async function send<T>(
  { requests }: Azure,
  name: string,
  body: (attempt: Attempt) => Promise<T>,
  options: RequestOptions = {},
): Promise<T> {
  return await requests.send(async (attempt) => {
    try {
      return await body(attempt);
    } catch (error) {
      throw azureError(error, printable(name), options.signal);
    }
  }, options);
}

/** Tokens are ETags without their quotes. */
export const tokenOf = (etag: string | undefined): string => (etag ?? "").replace(/^"|"$/g, "");

export const conditionsOf = (condition: Condition): { ifNoneMatch: string } | { ifMatch: string } =>
  "absent" in condition ? { ifNoneMatch: "*" } : { ifMatch: `"${condition.token}"` };
