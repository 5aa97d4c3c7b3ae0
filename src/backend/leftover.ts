/** What a run has left among stowage's own files of a location: trash, or a temporary. */
export interface Leftover {
  kind: "trash" | "temporary";
  /** The key it had; for a temporary the name of the file. */
  key: string;
  run: string;
  size: number;
  /** When it was put there; milliseconds since the epoch. */
  since: number;
  /** The same by the clock of its run alone, where `since` is by another. */
  begun?: number;
  /** True when what made it is known to be gone, however young it is. */
  dead?: boolean;
  /** True when its removal was never confirmed: it may be the only copy, and is not to be purged. */
  unfinished?: boolean;
  /** True when nothing tells the key of what is unfinished: it stays where it is, and `key` is only how it is called there. */
  unnamed?: boolean;
  /** How the backend finds it again. */
  handle: string;
}
