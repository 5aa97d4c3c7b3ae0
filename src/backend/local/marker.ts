import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { join } from "node:path";
import { codeOf } from "../../lib/error.js";
import { MARKER, markerText, TEMPORARY, uuidOf } from "../marker.js";
import { type FileHandle, open, rename, unlink } from "./calls.js";
import { makeParents } from "./directories.js";
import { type Disk, failure, requireRoot } from "./disk.js";
import { publish } from "./publish.js";

const LIMIT = 4096;

/** See `Backend.marker`. A marker that can not be understood is no marker. */
export async function readMarker(disk: Disk): Promise<string | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(
      join(disk.root, MARKER),
      constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0),
    );
  } catch (error) {
    if (codeOf(error) !== "ENOENT" && codeOf(error) !== "ENOTDIR") throw failure(disk, MARKER, error);
    await requireRoot(disk);
    return undefined;
  }
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(LIMIT), 0, LIMIT, 0);
    return uuidOf(buffer.toString("utf8", 0, bytesRead));
  } catch (error) {
    throw failure(disk, MARKER, error);
  } finally {
    await handle.close();
  }
}

/** See `Backend.writeMarker`. */
export async function writeMarkerFile(disk: Disk, uuid: string, replace: boolean): Promise<void> {
  const final = join(disk.root, MARKER);
  const temporary = join(disk.root, TEMPORARY, `marker.${randomBytes(8).toString("hex")}`);
  try {
    await requireRoot(disk);
    await makeParents(disk, temporary);
    const handle = await open(temporary, "wx", 0o644);
    let dev: bigint;
    try {
      await handle.writeFile(markerText(uuid));
      await handle.sync();
      ({ dev } = await handle.stat({ bigint: true }));
    } finally {
      await handle.close();
    }
    if (replace) await rename(temporary, final);
    else await publish(disk, temporary, MARKER, final, dev);
    await disk.barrier.name(final, dev);
  } catch (error) {
    throw failure(disk, MARKER, error);
  } finally {
    await unlink(temporary).catch(() => undefined);
  }
}
