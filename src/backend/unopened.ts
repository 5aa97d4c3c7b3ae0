import type { Backend } from "./backend.js";

/** A location that could not be opened: every question to it is answered with why. */
export function unopened(location: string, why: unknown): Backend {
  const refuse = (): Promise<never> => Promise.reject(why);
  // biome-ignore lint/correctness/useYield: there is nothing to yield.
  async function* refuseAll(): AsyncGenerator<never> {
    throw why;
  }
  return {
    location,
    features: {
      foldsCase: false,
      foldsUnicode: false,
      hardLinks: false,
      mtimeGranularity: 1,
      maxNameBytes: 255,
      readsBack: false,
    },
    marker: refuse,
    writeMarker: refuse,
    identity: refuse,
    list: refuseAll,
    stat: refuse,
    read: refuseAll,
    write: refuse,
    remove: refuse,
    space: refuse,
    leftovers: refuseAll,
    purge: refuse,
    close: async () => undefined,
  };
}
