import { computer, garbled, isDue } from "./computer.js";
import { type Inode, sync } from "./disk.js";
import { type Place, problem, statsOf } from "./path.js";
import { alive, stage, turn } from "./stage.js";

/** What becomes of these is the same at every moment. */
const UNSEEN = new Set(["close", "chmod", "utimes"]);

export type Handle = ReturnType<typeof openHandle>;

/** What a whole reading of exactly these bytes is called. */
export const readingOf = ({ ino, edits }: Inode): string => `${ino}.${edits}`;

/** In place of a `FileHandle`. */
export function openHandle(place: Place, inode: Inode) {
  const { disk, path } = place;
  let written = 0;
  /** Read without a gap up to here, all of one state. */
  let seen = { upTo: 0, edits: inode.edits };

  async function call<T>(what: string, effect: () => T): Promise<T> {
    await (disk.private || UNSEEN.has(what) ? alive() : turn(what));
    if (isDue(disk.name, "error", what)) throw problem("EIO", what, path);
    const result = effect();
    if (what === "fsync" && isDue(disk.name, "cut", what)) {
      computer.cut();
      await alive();
    }
    if (what === "fsync" && isDue(disk.name, "lost answer", what)) throw problem("EIO", what, path);
    return result;
  }
  const put = (bytes: Uint8Array): void => {
    if (isDue(disk.name, "full")) throw problem("ENOSPC", "write", path);
    const piece = Buffer.from(bytes);
    const whole = Buffer.concat([
      inode.bytes.subarray(0, written),
      isDue(disk.name, "bad write") ? garbled(piece, "written") : piece,
    ]);
    disk.watch.writing(disk, place.inner, inode);
    inode.bytes = whole;
    inode.edits += 1;
    inode.mtime = inode.ctime = stage.clock;
    written += piece.length;
  };
  return {
    fd: -1,
    stat: (options: { bigint?: boolean } = {}) => call("fstat", () => statsOf(disk, inode, options.bigint === true)),
    writeFile: (text: string | Uint8Array) => call("write", () => put(Buffer.from(text as string))),
    write: (bytes: Uint8Array, offset = 0, length = bytes.length) =>
      call("write", () => {
        put(bytes.subarray(offset, offset + length));
        return { bytesWritten: length };
      }),
    read: (buffer: Buffer, offset: number, length: number, position: number) =>
      call("read", () => {
        const bytes = isDue(disk.name, "bad read") ? garbled(inode.bytes, "read") : inode.bytes;
        const bytesRead = bytes.copy(buffer, offset, position, position + length);
        if (seen.edits !== inode.edits || position !== seen.upTo)
          seen = { upTo: position === 0 ? 0 : -1, edits: inode.edits };
        if (position === seen.upTo) seen.upTo += bytesRead;
        if (seen.upTo >= inode.bytes.length) computer.proved(readingOf(inode));
        return { bytesRead, buffer };
      }),
    sync: () => call("fsync", () => sync(disk, inode)),
    datasync: () => call("fsync", () => sync(disk, inode)),
    chmod: () => call("chmod", () => undefined),
    utimes: (_accessed: string, modified: string) =>
      call("utimes", () => {
        inode.mtime = BigInt(Math.round(Number(modified) * 1e6)) * 1000n;
        inode.ctime = stage.clock;
      }),
    close: () => call("close", () => undefined),
  };
}
