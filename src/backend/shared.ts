/**
 * What stowage keeps in a location for itself, for all machines that share it. Hidden from listings. Throws the codes of
 * the backend contract.
 */

/** One small text that is only changed by who has seen the last one. */
export interface Register {
  /** What it holds now; undefined where it was never written. */
  read(): Promise<Registered | undefined>;
  /**
   * Writes when it still holds what has the token (undefined: nothing yet), and returns the new token; undefined, and nothing is changed, when it does
   * not. Of many who write over one token exactly one succeeds. What is written has to differ from all that was written before.
   */
  write(text: string, token: string | undefined): Promise<string | undefined>;
  /** Whether the storage keeps that promise. */
  honoured(): Promise<boolean>;
}

export interface Registered {
  text: string;
  /** Equal exactly when it was not written since. */
  token: string;
}

/** Pieces of text that are added and never changed. Names are of letters, digits, `-` and `.`, in folders one deep. */
export interface Shelf {
  /** False, and nothing is changed, when the name is taken. Durable when it returns. */
  add(name: string, bytes: Uint8Array): Promise<boolean>;
  /** Undefined where there is none. */
  read(name: string): Promise<Buffer | undefined>;
  /** All pieces, or those of one folder, in no particular order. */
  list(folder?: string): AsyncIterable<{ name: string; size: number }>;
}

/** True for what can be a name on a shelf. */
export const isShelfName = (name: string): boolean =>
  /^[0-9A-Za-z][0-9A-Za-z.-]*(\/[0-9A-Za-z][0-9A-Za-z.-]*)?$/.test(name);
