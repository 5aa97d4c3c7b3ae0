import type { Register, Shelf } from "./shared.js";

/** `reach` throws while the storage is away. */
export function memoryRegister(reach: () => void): Register {
  let count = 0;
  let held: string | undefined;
  return {
    async read() {
      reach();
      return held === undefined ? undefined : { text: held, token: String(count) };
    },
    async write(text, token) {
      reach();
      if ((held === undefined ? undefined : String(count)) !== token) return undefined;
      held = text;
      return String(++count);
    },
    honoured: async () => true,
  };
}

export function memoryShelf(reach: () => void): Shelf {
  const pieces = new Map<string, Buffer>();
  return {
    async add(name, bytes) {
      reach();
      if (pieces.has(name)) return false;
      pieces.set(name, Buffer.from(bytes));
      return true;
    },
    async read(name) {
      reach();
      return pieces.get(name);
    },
    async *list(folder) {
      reach();
      for (const [name, { length }] of [...pieces]) {
        if (folder === undefined || name.startsWith(`${folder}/`)) yield { name, size: length };
      }
    },
  };
}
