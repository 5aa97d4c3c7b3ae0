/** For authors of backends: `import { describeBackend } from "stowage/testing"`. */
export { conformanceCases, describeBackend, runCase } from "./conformance.js";
export { type Fault, failing } from "./failing.js";
export { DEFECTS, type Defect, faulty } from "./faulty.js";
export {
  type MemoryStore,
  type MemoryStoreOptions,
  memoryStore,
  STORE_DEFECTS,
  type StoreDefect,
  straight,
} from "./memory-store.js";
export type { ConformanceCase, Subject } from "./subject.js";
export { sourceOf } from "./subject.js";
