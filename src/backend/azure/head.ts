import { codeOf } from "../../lib/error.js";
import type { Stored } from "../store.js";
import { type Azure, blobOf, send } from "./context.js";
import { storedOf } from "./stored.js";

/** See `ObjectStore.head`. */
export async function find(azure: Azure, name: string, signal?: AbortSignal): Promise<Stored | undefined> {
  const blob = blobOf(azure, name);
  try {
    const found = await send(azure, name, (attempt) => blob.getProperties({ abortSignal: attempt.signal }), { signal });
    return storedOf(azure, name, found);
  } catch (error) {
    if (codeOf(error) === "NOT_FOUND") return undefined;
    throw error;
  }
}
