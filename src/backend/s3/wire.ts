import type * as Sdk from "@aws-sdk/client-s3";
import { type Listing, readListing } from "./listing.js";

type Command = Pick<Sdk.PutObjectCommand["middlewareStack"], "add">;
interface Message {
  headers: Record<string, string | undefined>;
}

/** What was sent and answered, beside what the SDK tells of it. */
export interface Wire {
  /** When the store answered, by its own clock; milliseconds. */
  answered(): number;
}

/**
 * Watches a command on its way. With a hash, that is what the payload is signed with: the SDK neither reads the bytes twice nor leaves them
 * unsigned, and no store that checks signatures takes other bytes.
 */
export function onWire(command: { middlewareStack: object }, sha256?: string): Wire {
  let date: string | undefined;
  // All commands have the same kind of stack, each with a type of its own.
  (command.middlewareStack as Command).add(
    (next) => async (args) => {
      // At this step it is the HTTP request, and comes back with the HTTP response.
      if (sha256 !== undefined) (args.request as Message).headers["x-amz-content-sha256"] = sha256;
      const result = await next(args);
      date = (result.response as Message).headers["date"];
      return result;
    },
    { step: "build", name: "stowageWire" },
  );
  return {
    answered() {
      const told = date === undefined ? Number.NaN : Date.parse(date);
      return Number.isNaN(told) ? Date.now() : told;
    },
  };
}

interface Answer {
  statusCode: number;
  body: AsyncIterable<Uint8Array> | Uint8Array;
}

/** What stands for a document that was read already. */
const READ = Buffer.from("<Read/>");

/**
 * Sends a request for a listing. The SDK does all of it but the reading of a plain document, which takes it most of the time; errors and everything that is
 * not plain are its own.
 */
export async function listed(command: { middlewareStack: object }, send: () => Promise<Listing>): Promise<Listing> {
  let listing: Listing | undefined;
  (command.middlewareStack as Command).add(
    (next) => async (args) => {
      const result = await next(args);
      const answer = result.response as Answer;
      if (answer.statusCode !== 200 || answer.body instanceof Uint8Array) return result;
      const pieces: Uint8Array[] = [];
      for await (const piece of answer.body) pieces.push(piece);
      const bytes = Buffer.concat(pieces);
      listing = readListing(bytes.toString("utf8"));
      answer.body = listing ? READ : bytes;
      return result;
    },
    // Next to the network: no other step has touched the answer yet.
    { step: "deserialize", priority: "low", name: "stowageListing" },
  );
  const told = await send();
  return listing ?? told;
}
