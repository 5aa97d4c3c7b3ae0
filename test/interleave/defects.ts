import type { Lease } from "../../src/apply/lock-lease.js";
import type { Backend } from "../../src/backend/backend.js";
import type { ObjectStore } from "../../src/backend/store.js";
import type { Machine } from "./stage.js";

/** A way to break the protocols from outside; exploring must notice each. */
export type Defect = "no last look" | "unconditional removal" | "takeover without standstill" | "lease trusted";

/** What of the product is used, with the defect if there is to be one. */
export interface Product {
  store(store: ObjectStore): ObjectStore;
  backend(backend: Backend): Backend;
  lease(lease: Lease): Lease;
  steady(clock: () => number, machine: Machine): () => number;
}

const SOUND: Product = {
  store: (store) => store,
  backend: (backend) => backend,
  lease: (lease) => lease,
  steady: (clock) => clock,
};

const BROKEN: Record<Defect, Partial<Product>> = {
  "no last look": {
    backend: (backend) => ({
      ...backend,
      remove: (key, options) => backend.remove(key, { ...options, confirm: async () => undefined }),
    }),
  },
  "unconditional removal": {
    // Not where the store itself is tried out: that would show it.
    store: (store) => ({
      ...store,
      remove: (name, token) => (name.startsWith(".stowage-") ? store.remove(name, token) : store.discard(name)),
    }),
  },
  "takeover without standstill": {
    // While it waits, each look at its clock is an age after the last.
    steady: (clock, machine) => {
      let ages = 0;
      return () => {
        ages += 100;
        return machine.renewed === undefined ? clock() + ages : clock();
      };
    },
  },
  "lease trusted": { lease: (lease) => ({ ...lease, require: async () => undefined }) },
};

export const planted = (defect: Defect | undefined): Product => ({ ...SOUND, ...(defect && BROKEN[defect]) });
