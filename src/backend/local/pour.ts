import type { FileHandle } from "node:fs/promises";

/** One is filled while the other is written. */
const BUFFER = 1 << 20;
/** After so many bytes the disk begins: what is left for the last fsync is little. */
const STRIDE = 64 << 20;

export interface Pour {
  /** Takes the bytes before it returns: the piece can be used again. */
  add(piece: Uint8Array): Promise<void>;
  /** All bytes are written. What was told to the disk on the way has come to its end, and its errors are thrown: a later fsync may not tell them again. */
  end(): Promise<void>;
}

type File = Pick<FileHandle, "write" | "datasync">;

/** Writes pieces of any size one after the other; many bytes in large buffers. Nothing of it is durable before the caller's own fsync. */
export const pourInto = (handle: File, size: number): Pour =>
  size > BUFFER ? buffered(handle) : { add: (piece) => writeAll(handle, piece), end: async () => undefined };

function buffered(handle: File): Pour {
  const buffers = [Buffer.allocUnsafe(BUFFER), Buffer.allocUnsafe(BUFFER)];
  let [current, filled, written] = [0, 0, 0];
  let writing: Promise<void> = Promise.resolve();
  let syncing: Promise<void> | undefined;
  let failure: { error: unknown } | undefined;
  const failed = (error: unknown): void => {
    failure ??= { error };
  };
  const check = (): void => {
    if (failure) throw failure.error;
  };

  function tellDisk(length: number): void {
    written += length;
    if (written < STRIDE || syncing !== undefined) return;
    written = 0;
    syncing = handle
      .datasync()
      .catch(failed)
      .finally(() => {
        syncing = undefined;
      });
  }

  async function flush(): Promise<void> {
    await writing;
    check();
    const [buffer, length] = [buffers[current] ?? Buffer.alloc(0), filled];
    [current, filled] = [1 - current, 0];
    writing = writeAll(handle, buffer.subarray(0, length)).then(() => tellDisk(length), failed);
  }

  return {
    async add(piece) {
      for (let at = 0; at < piece.length; ) {
        const count = Math.min(piece.length - at, BUFFER - filled);
        buffers[current]?.set(piece.subarray(at, at + count), filled);
        filled += count;
        at += count;
        if (filled === BUFFER) await flush();
      }
    },
    async end() {
      if (filled > 0) await flush();
      await writing;
      await syncing;
      check();
    },
  };
}

async function writeAll(handle: File, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) {
    offset += (await handle.write(bytes, offset, bytes.length - offset)).bytesWritten;
  }
}
