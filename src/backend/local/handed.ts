import type { Backend, ReadOptions } from "../backend.js";
import type { Hands } from "../hands.js";
import type { Disk } from "./disk.js";
import { readMarker } from "./marker.js";
import { aborted, BUFFER, readFile } from "./read.js";
import { removeFile } from "./remove.js";
import { statFile } from "./stat.js";
import { writeFile } from "./write.js";

type Calls = Pick<Backend, "marker" | "read" | "remove" | "stat" | "write">;

export const plain = (disk: Disk): Calls => ({
  marker: () => readMarker(disk),
  read: (key, options = {}) => readFile(disk, key, options),
  remove: (key, options) => removeFile(disk, key, options),
  stat: (key) => statFile(disk, key),
  write: (key, source) => writeFile(disk, key, source),
});

/** Calls from which on it is worth it to start threads. */
const MANY = 256;

/** The same. Once more than `few` calls were under way at a time, or many were made in all, threads look, remove, and read and write the small files. */
export function handed(disk: Disk, hands: Hands, few: number): Calls {
  const alone = plain(disk);
  let [calls, made] = [0, 0];
  const isMany = (): boolean => {
    if (calls > few || made > MANY) hands.start();
    return hands.ready();
  };
  const counted = async <T>(call: (many: boolean) => Promise<T>): Promise<T> => {
    calls += 1;
    made += 1;
    try {
      return await call(isMany());
    } finally {
      calls -= 1;
    }
  };
  async function* read(key: string, options: ReadOptions = {}): AsyncGenerator<Uint8Array> {
    const { version, start = 0, signal } = options;
    const whole = version !== undefined && start === 0 && isMany() ? await hands.read(disk, key, version) : undefined;
    if (signal?.aborted) throw aborted();
    if (!whole) yield* alone.read(key, options);
    else if (whole.length > 0) yield whole;
  }
  return {
    read,
    marker: () => counted((many) => (many ? hands.marker(disk) : alone.marker())),
    remove: (key, options) => counted((many) => (many ? hands.remove(disk, key, options) : alone.remove(key, options))),
    stat: (key) => counted((many) => (many ? hands.stat(disk, key) : alone.stat(key))),
    write: (key, source) =>
      counted(async (many) => {
        const { file, path, sha256, size, mtime, run, signal } = source;
        if (!many || !file || path === undefined || size > BUFFER || source.confirm) return alone.write(key, source);
        const written = await hands.write(disk, key, { file, path, sha256, size, mtime, run }, signal);
        if (!written) return alone.write(key, source);
        source.onBytes?.(size);
        if (written.whole) source.onWhole?.();
        return written.entry;
      }),
  };
}
