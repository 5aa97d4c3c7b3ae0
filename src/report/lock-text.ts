import type { LockHolder } from "../apply/lock.js";
import type { SharedHolder } from "../apply/lock-note.js";
import { printable } from "../lib/key.js";
import { relative } from "./format.js";

/** Who holds the lock of the state directory, and whether it lives. */
export const holderText = ({ pid, host, since, alive }: LockHolder, now: number): string =>
  `State directory: pid ${pid} on ${printable(host)}, since ${when(since, now)}; ${LIFE[String(alive)]}.`;

const LIFE: Record<string, string> = {
  true: "it is alive",
  false: "it is dead",
  undefined: "whether it lives can not be known from here",
};

/** Who holds the lock in a location, and when it was last heard of. */
export function sharedHolderText(location: string, holder: SharedHolder | "unreadable", now: number): string {
  const place = printable(location);
  if (holder === "unreadable") return `${place}: somebody who can not be told, because the note can not be read.`;
  const { run, pid, host, since, at } = holder;
  return `${place}: run ${printable(run)}, pid ${pid} on ${printable(host)}, since ${when(since, now)}; last heartbeat ${when(at, now)} by its clock.`;
}

/** Clocks of other machines may be anything. */
const when = (ms: number, now: number): string => (Math.abs(ms) <= 8.64e15 ? relative(ms, now) : "an unknown time");
