import { StowageError } from "../../lib/error.js";
import { unavailable } from "../requests.js";

const PERMISSIONS = "docs/backends/supabase.md lists the policies that plan and apply need.";

/** What the service says of a refusal; it wraps most of them into the status 400. */
interface Said {
  status: number;
  message: string;
}

/** The error of an answer that is no success, in the terms of the backend contract. Reads its body. */
export async function refused(what: string, response: Response): Promise<StowageError> {
  const { status, message } = saidIn(response.status, await response.text());
  const says = `${what}: ${message || "no reason given"} (${status})`;
  if (/invalid key/i.test(message)) return new StowageError("UNSUPPORTED_NAME", says);
  if (/jwt|signature|row-level security/i.test(message) || status === 401 || status === 403) {
    return new StowageError("ACCESS_DENIED", says, { hint: PERMISSIONS });
  }
  if (status === 404) return missing(message, says);
  if (status === 409 || status === 412 || status === 416) return new StowageError("PRECONDITION", says);
  if (status === 402) return new StowageError("OUT_OF_SPACE", says, { hint: "The project's quota is used up." });
  if (status === 413) {
    return new StowageError("STORE_REFUSED", says, {
      hint: "Raise the file size limit of the bucket and of the project.",
    });
  }
  if (status === 408 || status === 423 || status === 429 || status >= 500) {
    const wait = Number(response.headers.get("retry-after")) * 1000;
    return unavailable(says, { throttled: status === 429 || status === 503, ...(wait > 0 && { retryAfter: wait }) });
  }
  return new StowageError("STORE_REFUSED", says);
}

/** Only what is said of the object itself makes it absent. */
function missing(message: string, says: string): StowageError {
  if (/object not found|resource was not found/i.test(message)) return new StowageError("NOT_FOUND", says);
  return unavailable(says, { hint: "Check `url` and `bucket`; stowage never creates a bucket." });
}

function saidIn(status: number, text: string): Said {
  if (!text.startsWith("{")) return { status, message: text.slice(0, 200).split("\n", 1)[0] ?? "" };
  try {
    const { statusCode, message }: { statusCode?: string | number; message?: string } = JSON.parse(text);
    const own = Number(statusCode);
    return { status: own >= 400 && own < 600 ? own : status, message: String(message ?? "") };
  } catch (error) {
    if (error instanceof SyntaxError) return { status, message: "an answer that is no JSON" };
    throw error;
  }
}

/** What went wrong before there was an answer, or while it came. Says no address: it may hold a signature. */
export function broken(what: string, error: unknown, stopped: AbortSignal | undefined): StowageError {
  if (error instanceof StowageError) return error;
  if (stopped?.aborted) return new StowageError("ABORTED", "stopped on request");
  return unavailable(`${what}: ${reasonOf(error)}`);
}

/** `fetch failed` has the reason below it. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return "no answer";
  return "code" in cause && typeof cause.code === "string" ? `no answer (${cause.code})` : cause.message;
}
