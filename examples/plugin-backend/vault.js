// @ts-check
import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { link, mkdir, open, readdir, rename, stat, unlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { FRONT, headerLength, keysOf, openBody, openHeader, sealBody, sealedName, sealHeader } from "./sealed.js";

/**
 * A directory in which every object is one sealed file. Only the few methods of `ObjectStore` are written here; markers, trash, hashing,
 * probing and everything else that makes a location safe is done by stowage around them (`tools.bucketBackend`).
 *
 * @type {import("stowage").PluginBackend}
 */
export async function openVault({ name, options, base }, tools) {
  const { folder, key } = options;
  if (typeof folder !== "string" || typeof key !== "string") {
    throw new tools.StowageError("PLUGIN_OPTIONS", `${name}: a vault needs options: { folder, key }`, {
      hint: 'Write `options: { folder: ./vault, key: "${VAULT_KEY}" }`.',
    });
  }
  const store = vaultStore(resolve(base, folder), keysOf(key), tools);
  return tools.bucketBackend(name, "", store, tools.requests);
}

/** @typedef {import("stowage").Stored} Stored */
/** @typedef {import("stowage").PluginTools} Tools */

/**
 * @param {string} root @param {import("./sealed.js").Keys} keys @param {Tools} tools
 * @returns {import("stowage").ObjectStore}
 */
export function vaultStore(root, keys, { StowageError, unavailable, requests }) {
  /** @param {string} file */
  const path = (file) => join(root, "sealed", file);
  /** @param {string} name */
  const pathOf = (name) => path(sealedName(keys, name));
  const temporary = () => join(root, "new", randomUUID());

  /** Nothing but a missing file is "not there". @param {unknown} error @returns {never} */
  const fail = (error) => {
    if (error instanceof StowageError || !(error instanceof Error) || !("syscall" in error)) throw error;
    const codes = { ENOSPC: "OUT_OF_SPACE", EDQUOT: "OUT_OF_SPACE", EACCES: "ACCESS_DENIED", EPERM: "ACCESS_DENIED" };
    const code = codes[/** @type {keyof codes} */ (/** @type {any} */ (error).code)];
    throw code ? new StowageError(code, error.message, { cause: error }) : unavailable(error.message, { cause: error });
  };
  /** A vault that is not there is no empty vault. */
  const requireRoot = async () => {
    if (await stat(root).catch(() => undefined)) return;
    throw unavailable(`the folder of the vault does not exist: ${root}`);
  };

  /** @param {string} file @returns {Promise<(Stored & { at: number }) | undefined>} */
  const look = async (file) => {
    const handle = await open(file).catch(async (error) => {
      if (error.code !== "ENOENT") fail(error);
      await requireRoot();
    });
    if (!handle) return undefined;
    try {
      const front = Buffer.alloc(FRONT);
      await handle.read(front, 0, FRONT, 0);
      const sealed = Buffer.alloc(headerLength(front));
      await handle.read(sealed, 0, sealed.length, FRONT);
      return { ...openHeader(keys, front, sealed), at: FRONT + sealed.length };
    } catch (error) {
      throw new StowageError("ACCESS_DENIED", `${file} can not be opened with this key`, { cause: error });
    } finally {
      await handle.close();
    }
  };
  /** @param {(Stored & { at: number }) | undefined} found @returns {Stored | undefined} */
  const asStored = (found) => {
    if (!found) return undefined;
    const { at: _, ...stored } = found;
    return stored;
  };
  /** @param {string} name @param {string} why */
  const precondition = (name, why) => new StowageError("PRECONDITION", `${name} ${why}`);

  /** @param {string} file @param {Stored} stored @param {AsyncIterable<Uint8Array>} bytes */
  const seal = async (file, stored, bytes) => {
    async function* pieces() {
      yield sealHeader(keys, stored);
      yield* sealBody(keys, bytes);
    }
    await pipeline(pieces(), createWriteStream(file, { flags: "wx", flush: true }));
  };

  return {
    address: `vault://${root}`,
    maxNameBytes: 1024,
    listsMetadata: true,
    versioned: async () => false,
    head: (name) => requests.send(async () => asStored(await look(pathOf(name)))),
    async *list(prefix, signal) {
      await requireRoot();
      const files = await readdir(join(root, "sealed")).catch((error) => (error.code === "ENOENT" ? [] : fail(error)));
      for (const file of files) {
        if (signal?.aborted) throw new StowageError("ABORTED", "stopped on request");
        const stored = asStored(await look(path(file)));
        if (stored?.name.startsWith(prefix)) yield [stored];
      }
    },
    async *read(name, { token, start = 0 }) {
      const found = await look(pathOf(name));
      if (!found) throw new StowageError("NOT_FOUND", `${name} does not exist`);
      if (token !== undefined && found.token !== token) throw precondition(name, "is another by now");
      yield* openBody(keys, createReadStream(pathOf(name), { start: found.at }), start);
    },
    async put(name, { size, metadata, bytes, signal, onBytes }, condition) {
      await requireRoot();
      await mkdir(join(root, "new"), { recursive: true });
      await mkdir(join(root, "sealed"), { recursive: true });
      const [file, stored] = [temporary(), { name, size, token: randomUUID(), modified: Date.now(), metadata }];
      async function* counted() {
        for await (const piece of bytes()) {
          if (signal?.aborted) throw new StowageError("ABORTED", "stopped on request");
          yield piece;
          onBytes?.(piece.length);
        }
      }
      try {
        await seal(file, stored, counted());
        const old = "token" in condition ? await take(name, condition.token) : undefined;
        // Never over another: EEXIST is the condition that failed.
        await link(file, pathOf(name));
        if (old) await unlink(old);
      } catch (error) {
        if (/** @type {any} */ (error)?.code === "EEXIST") throw precondition(name, "exists already");
        fail(error);
      } finally {
        await unlink(file).catch(() => undefined);
      }
      return stored;
    },
    remove: async (name, token) => await unlink(await take(name, token)),
    discard: (name) => unlink(pathOf(name)).catch((error) => (error.code === "ENOENT" ? undefined : fail(error))),
    close: async () => undefined,
  };

  /**
   * Takes the object away if it has the token: out of everybody's sight first, then looked at, and put back if it is another.
   * Returns the file in which it lies now.
   * @param {string} name @param {string} token
   */
  async function take(name, token) {
    await mkdir(join(root, "new"), { recursive: true });
    const aside = temporary();
    try {
      await rename(pathOf(name), aside);
    } catch (error) {
      if (/** @type {any} */ (error).code !== "ENOENT") fail(error);
      await requireRoot();
      throw new StowageError("NOT_FOUND", `${name} does not exist`);
    }
    const found = await look(aside);
    if (found?.token !== token) {
      await link(aside, pathOf(name)).catch(fail);
      await unlink(aside);
      throw precondition(name, "is another by now");
    }
    return aside;
  }
}
