import type { Disk } from "./disk.js";
import { stage } from "./stage.js";

/** What is mounted where, and what goes wrong next. */
export interface Computer {
  mounts: Map<string, Disk>;
  faults: Fault[];
  /** The power goes. */
  cut(): void;
  /** Told of each whole reading of a file or object by the actor that runs. */
  proved(what: string): void;
}

/** Goes off once, at the next call that it fits; `left` times. */
export interface Fault {
  place: string;
  kind: FaultKind;
  left: number;
  /** Only at this call. */
  call?: string;
  /** After so many that it fits. */
  skip?: number;
}

export type FaultKind = "error" | "lost answer" | "full" | "bad write" | "bad read" | "broken listing" | "hold" | "cut";

/** For how many steps a process stands still right before the call that a "hold" is about. */
export const HOLD = 150;

export const computer: Computer = { mounts: new Map(), faults: [], cut: () => undefined, proved: () => undefined };

/** True when such a fault is due there; it is used up by that. */
export function isDue(place: string, kind: FaultKind, call = ""): boolean {
  if (computer.faults.length === 0) return false;
  const index = computer.faults.findIndex(
    (fault) => fault.place === place && fault.kind === kind && (fault.call ?? call) === call,
  );
  const fault = computer.faults[index];
  if (!fault) return false;
  if (fault.skip) {
    fault.skip -= 1;
    return false;
  }
  stage.trace?.push(`     ${" ".repeat(9)} ! ${kind} at ${place}`);
  fault.left -= 1;
  if (fault.left <= 0) computer.faults.splice(index, 1);
  return true;
}

/** Bytes of the same length that are not these; what was written wrong and is read wrong is not right for that. */
export function garbled(bytes: Buffer, how: "written" | "read"): Buffer {
  const other = Buffer.from(bytes);
  if (other.length > 0) other[0] = (other[0] ?? 0) ^ (how === "read" ? 0x2a : 0x55);
  return other;
}
