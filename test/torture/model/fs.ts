import { find } from "./disk.js";
import { readFile } from "./files.js";
import { placed, problem } from "./path.js";
import { stage } from "./stage.js";

/** In place of `node:fs`. */
export { constants } from "node:fs";

/** What the kernel tells of processes. */
export function readFileSync(path: string): string {
  if (path.endsWith("/boot_id")) return `boot-${stage.current?.boot ?? 0}\n`;
  const pid = Number(/^\/proc\/(\d+)\/stat$/.exec(path)?.[1]);
  const actor = stage.actors.find((each) => each.pid === pid && each.alive);
  if (actor) return `${pid} (node) S ${Array.from({ length: 18 }, () => 0).join(" ")} ${pid}00`;
  const place = placed(path);
  const inode = find(place.disk, place.inner);
  if (!inode) throw problem("ENOENT", "open", path);
  return inode.bytes.toString("utf8");
}

export const readlinkSync = (_path: string): string => "pid:[1]";

export async function* createReadStream(path: string, encoding?: string): AsyncGenerator<string | Buffer> {
  yield await readFile(path, encoding);
}
