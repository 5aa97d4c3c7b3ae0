import type { Backend } from "../backend.js";
import type { Hands } from "../hands.js";
import type { Disk } from "./disk.js";
import { readMarker } from "./marker.js";
import { BUFFER } from "./read.js";
import { removeFile } from "./remove.js";
import { statFile } from "./stat.js";
import { writeFile } from "./write.js";

type Calls = Pick<Backend, "marker" | "remove" | "stat" | "write">;

export const plain = (disk: Disk): Calls => ({
  marker: () => readMarker(disk),
  remove: (key, options) => removeFile(disk, key, options),
  stat: (key) => statFile(disk, key),
  write: (key, source) => writeFile(disk, key, source),
});

/** The same. Once more than `few` calls were under way at a time, threads look, remove, and write the small files. */
export function handed(disk: Disk, hands: Hands, few: number): Calls {
  const alone = plain(disk);
  let calls = 0;
  const counted = async <T>(call: (many: boolean) => Promise<T>): Promise<T> => {
    calls += 1;
    try {
      const state = hands.state();
      return await call(state === "ready" || (state === "idle" && calls > few));
    } finally {
      calls -= 1;
    }
  };
  return {
    marker: () => counted((many) => (many ? hands.marker(disk) : alone.marker())),
    remove: (key, options) => counted((many) => (many ? hands.remove(disk, key, options) : alone.remove(key, options))),
    stat: (key) => counted((many) => (many ? hands.stat(disk, key) : alone.stat(key))),
    write: (key, source) =>
      counted(async (many) => {
        const { file, path, sha256, size, mtime, run, signal } = source;
        if (!many || !file || path === undefined || size > BUFFER || source.confirm) return alone.write(key, source);
        const writing = { file, path, sha256, size, mtime, ...(run !== undefined && { run }) };
        const entry = await hands.write(disk, key, writing, signal);
        if (!entry) return alone.write(key, source);
        source.onBytes?.(size);
        return entry;
      }),
  };
}
