import type { Backend } from "../backend/backend.js";
import { StowageError } from "../lib/error.js";

export type Operation = "stat" | "marker" | "read" | "write" | "remove" | "identity";

export interface Fault {
  operation: Operation;
  /** Only for this key, where given. */
  key?: string;
  /** Which call fails, from 1; all from there on where `lasting`. */
  call?: number;
  lasting?: boolean;
  /** `before` the backend is asked, or `after` it has done it: then the answer is lost. */
  when?: "before" | "after";
  code?: string;
}

/** The backend with one call that fails. */
export function failing(backend: Backend, fault: Fault): Backend {
  let calls = 0;
  const due = (operation: Operation, key?: string): boolean => {
    if (operation !== fault.operation || (fault.key !== undefined && fault.key !== key)) return false;
    calls += 1;
    return fault.lasting ? calls >= (fault.call ?? 1) : calls === (fault.call ?? 1);
  };
  const error = () => new StowageError(fault.code ?? "UNAVAILABLE", `${backend.location}: a planted fault`);
  const guard = async <T>(operation: Operation, key: string | undefined, body: () => Promise<T>): Promise<T> => {
    const now = due(operation, key);
    if (now && fault.when !== "after") throw error();
    const result = await body();
    if (now) throw error();
    return result;
  };
  return {
    ...backend,
    stat: (key) => guard("stat", key, () => backend.stat(key)),
    marker: () => guard("marker", undefined, () => backend.marker()),
    identity: () => guard("identity", undefined, () => backend.identity()),
    write: (key, source) => guard("write", key, () => backend.write(key, source)),
    remove: (key, options) => guard("remove", key, () => backend.remove(key, options)),
    async *read(key, options) {
      const now = due("read", key);
      if (now && fault.when !== "after") throw error();
      for await (const piece of backend.read(key, options)) {
        yield piece;
        if (now) throw error();
      }
    },
  };
}
