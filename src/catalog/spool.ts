import { closeSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { messageOf, StowageError } from "../lib/error.js";
import { spillFolder } from "./spill.js";

/** Pieces of bytes in the order in which they were added. They can be gone through any number of times. */
export interface Spool extends Iterable<Buffer> {
  add(piece: Buffer): void;
}

/** What is kept in memory, where most are whole. */
const KEPT = 1 << 26;

/**
 * Opens a spool that lays out beside the catalog what is more than `kept` bytes, in a file without a name: the system takes it back with
 * the last who can read it, however the process ends.
 * @param catalog the catalog's file
 * @throws `CATALOG_FAILED` in `add` and while it is gone through, when that disk has no room or breaks
 */
export function openSpool(catalog: string, kept = KEPT): Spool {
  const pieces: Buffer[] = [];
  let room = kept;
  let rest: ReturnType<typeof layOut> | undefined;
  return {
    add(piece) {
      if (!rest && piece.length <= room) {
        pieces.push(piece);
        room -= piece.length;
        return;
      }
      rest ??= layOut(catalog);
      rest.add(piece);
    },
    *[Symbol.iterator]() {
      yield* pieces;
      if (rest) yield* rest.pieces();
    },
  };
}

function layOut(catalog: string) {
  const file = { handle: told(catalog, () => openNameless(spillFolder(catalog))) };
  closing.register(file, file.handle);
  const lengths: number[] = [];
  return {
    add(piece: Buffer): void {
      told(catalog, () => {
        for (let at = 0; at < piece.length; ) at += writeSync(file.handle, piece, at);
      });
      lengths.push(piece.length);
    },
    *pieces(): Generator<Buffer> {
      let start = 0;
      for (const length of lengths) {
        const from = start;
        yield told(catalog, () => readFully(file.handle, from, length));
        start += length;
      }
    },
  };
}

const closing = new FinalizationRegistry<number>(closeSync);

function openNameless(path: string): number {
  const handle = openSync(path, "wx+", 0o600);
  unlinkSync(path);
  return handle;
}

function readFully(handle: number, start: number, length: number): Buffer {
  const piece = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; ) {
    const read = readSync(handle, piece, at, length - at, start + at);
    if (read === 0) throw new Error("it is shorter than what was written");
    at += read;
  }
  return piece;
}

function told<T>(catalog: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new StowageError(
      "CATALOG_FAILED",
      `what does not fit into memory can not be laid out beside the catalog ${catalog}: ${messageOf(error)}`,
      { hint: "See that its disk is in order and has room, and run the command again.", cause: error },
    );
  }
}
