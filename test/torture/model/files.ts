import { garbled, HOLD, isDue } from "./computer.js";
import { changed, find, type Inode, nameOf, newInode, parentOf } from "./disk.js";
import { type Handle, openHandle } from "./handle.js";
import { type Place, placed, problem, statsOf } from "./path.js";
import { alive, note, stage, turn } from "./stage.js";

/** In place of `node:fs/promises`. Each call takes its turn first; then it is done at once. */

interface Options {
  bigint?: boolean;
}

async function call<T>(what: string, path: string, effect: (place: Place) => T): Promise<T> {
  const { private: own } = placed(path).disk;
  await (own ? alive() : turn(what));
  if (stage.current && isDue(placed(path).disk.name, "hold", what)) {
    stage.current.pausedUntil = stage.step + HOLD;
    await turn(what);
  }
  const place = placed(path);
  const { name } = place.disk;
  if (isDue(name, "error", what)) throw problem("EIO", what, path);
  const result = effect(place);
  if (CHANGES.has(what) && isDue(name, "lost answer", what)) throw problem("EIO", what, path);
  return result;
}

const CHANGES = new Set(["link", "rename", "unlink", "mkdir", "create", "sync", "rmdir"]);

export const lstat = (path: string, options: Options = {}) =>
  call("lstat", path, (place) => {
    place.disk.watch.looking(place.disk, place.inner);
    return statsOf(place.disk, required(place, "lstat"), options.bigint === true);
  });
export const stat = (path: string, options: Options = {}) =>
  call("stat", path, (place) => statsOf(place.disk, required(place, "stat"), options.bigint === true));
export const statfs = (path: string, _options: Options = {}) =>
  call("statfs", path, () => ({ blocks: 1000n, bavail: 900n, bsize: 4096n }));

function required(place: Place, what: string): Inode {
  const found = find(place.disk, place.inner);
  if (!found) throw problem("ENOENT", what, place.path);
  if (place.path.endsWith("/.") && !found.entries) throw problem("ENOTDIR", what, place.path);
  return found;
}

/** The directory that holds, or is to hold, the name. */
function directoryOf({ disk, inner, path }: Place, what: string): Inode {
  const directory = find(disk, parentOf(inner));
  if (!directory) throw problem("ENOENT", what, path);
  if (!directory.entries) throw problem("ENOTDIR", what, path);
  return directory;
}

export const mkdir = (path: string, { recursive = false }: { recursive?: boolean } = {}) =>
  call("mkdir", path, (place) => {
    if (!recursive) return void makeDirectory(place);
    const names = place.inner.split("/").filter((name) => name !== "");
    names.forEach((_, index) => {
      const inner = names.slice(0, index + 1).join("/");
      if (!find(place.disk, inner)) makeDirectory({ ...place, inner });
    });
  });

function makeDirectory(place: Place): void {
  if (find(place.disk, place.inner)) throw problem("EEXIST", "mkdir", place.path);
  enterName(place, directoryOf(place, "mkdir"), newInode(true));
}

function enterName({ disk, inner }: Place, directory: Inode, inode: Inode): void {
  const name = nameOf(inner);
  if (directory.elsewhere) inode.elsewhere = true;
  directory.entries?.set(name, inode);
  changed(disk, [directory], () => directory.lasting.set(name, inode), { directory, name });
}

function dropName({ disk, inner }: Place, directory: Inode, inode: Inode): void {
  const name = nameOf(inner);
  directory.entries?.delete(name);
  changed(disk, [directory], () => {
    if (directory.lasting.get(name) === inode) directory.lasting.delete(name);
  });
}

export const rmdir = (path: string) =>
  call("rmdir", path, (place) => {
    const inode = required(place, "rmdir");
    if (!inode.entries) throw problem("ENOTDIR", "rmdir", path);
    if (inode.entries.size > 0) throw problem("ENOTEMPTY", "rmdir", path);
    dropName(place, directoryOf(place, "rmdir"), inode);
  });

export const unlink = (path: string) =>
  call("unlink", path, (place) => {
    const inode = required(place, "unlink");
    if (inode.entries) throw problem("EISDIR", "unlink", path);
    if (!place.inner.includes(".stowage-tmp")) note(`unlink ${path}`);
    place.disk.watch.unlinking(place.disk, place.inner, inode);
    dropName(place, directoryOf(place, "unlink"), inode);
    inode.nlink -= 1;
    inode.ctime = stage.clock;
  });

export const link = (from: string, to: string) =>
  call("link", to, (place) => {
    const source = placed(from);
    const inode = required(source, "link");
    if (!place.disk.hardLinks) throw problem("EPERM", "link", to);
    if (find(place.disk, place.inner)) throw problem("EEXIST", "link", to);
    enterName(place, directoryOf(place, "link"), inode);
    inode.nlink += 1;
    inode.ctime = stage.clock;
    note(`link ${to}`);
  });

export const rename = (from: string, to: string) =>
  call("rename", to, (place) => {
    const source = placed(from);
    const inode = required(source, "rename");
    const [before, after] = [directoryOf(source, "rename"), directoryOf(place, "rename")];
    const old = find(place.disk, place.inner);
    if (old === inode) return;
    if (old?.entries) throw problem("EISDIR", "rename", to);
    note(`rename ${from} -> ${to}`);
    if (old) place.disk.watch.replacing(place.disk, place.inner, old, inode);
    place.disk.watch.moved(place.disk, source.inner, place.inner, inode);
    const [was, is] = [nameOf(source.inner), nameOf(place.inner)];
    before.entries?.delete(was);
    after.entries?.set(is, inode);
    if (old) old.nlink -= 1;
    inode.ctime = stage.clock;
    const redo = () => {
      if (before.lasting.get(was) === inode) before.lasting.delete(was);
      after.lasting.set(is, inode);
    };
    changed(place.disk, [before, after], redo, { directory: after, name: is });
  });

export const readdir = (path: string, options: { encoding?: string } = {}) =>
  call("readdir", path, (place) => {
    if (isDue(place.disk.name, "broken listing")) throw problem("EIO", "readdir", path);
    const names = [...directory(place, "readdir").keys()];
    return (options.encoding === "buffer" ? names.map((name) => Buffer.from(name)) : names) as string[] & Buffer[];
  });

function directory(place: Place, what: string): Map<string, Inode> {
  const { entries } = required(place, what);
  if (!entries) throw problem("ENOTDIR", what, place.path);
  return entries;
}

export async function opendir(path: string): Promise<AsyncIterable<{ name: string }>> {
  const names = await call("opendir", path, (place) => [...directory(place, "opendir").keys()]);
  return (async function* () {
    for (const name of names) yield { name };
  })();
}

/** There are no shared blocks here. */
export const copyFile = (_from: string, to: string): Promise<void> =>
  call("copyFile", to, () => {
    throw problem("ENOTSUP", "copyFile", to);
  });

export const open = (path: string, flags: string | number = "r", _mode?: number): Promise<Handle> => {
  const { creates, exclusive, truncates } = meaning(flags);
  return call(creates ? "create" : "open", path, (place) => {
    const there = find(place.disk, place.inner);
    if (there && exclusive) throw problem("EEXIST", "open", path);
    if (there && truncates) {
      place.disk.watch.writing(place.disk, place.inner, there);
      there.bytes = Buffer.alloc(0);
    }
    return openHandle(place, there ?? created(place, creates));
  });
};

function created(place: Place, creates: boolean): Inode {
  if (!creates) throw problem("ENOENT", "open", place.path);
  if (isDue(place.disk.name, "full")) throw problem("ENOSPC", "open", place.path);
  const directory = directoryOf(place, "open");
  const inode = newInode(false);
  place.disk.watch.creating(place.disk, place.inner);
  enterName(place, directory, inode);
  return inode;
}

const [O_CREAT, O_EXCL, O_TRUNC] = [0o100, 0o200, 0o1000];

function meaning(flags: string | number): { creates: boolean; exclusive: boolean; truncates: boolean } {
  if (typeof flags === "number") {
    return {
      creates: (flags & O_CREAT) !== 0,
      exclusive: (flags & O_EXCL) !== 0,
      truncates: (flags & O_TRUNC) !== 0,
    };
  }
  return { creates: /[wa]/.test(flags), exclusive: flags.includes("x"), truncates: flags === "w" };
}

export async function readFile(path: string, encoding?: string): Promise<string & Buffer> {
  const bytes = await call("readFile", path, (place) => {
    const inode = required(place, "read");
    if (inode.entries) throw problem("EISDIR", "read", path);
    return isDue(place.disk.name, "bad read") ? garbled(inode.bytes, "read") : inode.bytes;
  });
  return (encoding ? bytes.toString("utf8") : bytes) as string & Buffer;
}

export async function writeFile(path: string, text: string | Uint8Array): Promise<void> {
  const handle = await open(path, "w");
  await handle.writeFile(text);
  await handle.close();
}

export type { Handle as FileHandle } from "./handle.js";
