import { randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** Who holds a lock or a claim, told apart from a later process with the same number. */
export interface Process {
  pid: number;
  host: string;
  /** Changes with every boot and differs between process namespaces; empty where the system does not tell. */
  boot: string;
  /** When the process started, in the kernel's terms; empty where the system does not tell. */
  start: string;
  /** Never the same twice. */
  nonce: string;
}

/** Whether what was read from a file names a process: anybody can have written it. A nonce becomes part of a file's name. */
export const isProcess = (value: unknown): value is Process =>
  typeof value === "object" &&
  value !== null &&
  ["host", "boot", "start"].every((name) => typeof Reflect.get(value, name) === "string") &&
  Number.isSafeInteger(Reflect.get(value, "pid")) &&
  /^[\w+-]{1,200}$/.test(String(Reflect.get(value, "nonce")));

export function myself(): Process {
  return {
    pid: process.pid,
    host: hostname(),
    boot: boot(),
    start: startOf(process.pid) ?? "",
    nonce: randomBytes(8).toString("hex"),
  };
}

/** Undefined when it can not be known from here: another machine, another container. */
export function isAlive(other: Process): boolean | undefined {
  if (other.host !== hostname()) return undefined;
  const now = boot();
  if (other.boot !== now) {
    const [id, space] = now.split(" ");
    const [otherId, otherSpace] = other.boot.split(" ");
    // Another boot of this machine: nothing survived. The same boot, other process numbers: they mean nothing here.
    return id && otherId && id !== otherId && space && otherSpace ? false : undefined;
  }
  try {
    process.kill(other.pid, 0);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
  }
  const start = startOf(other.pid);
  if (start === undefined || other.start === "") return true;
  return start === other.start;
}

/** The boot's id and the namespace of process numbers. */
function boot(): string {
  try {
    const id = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${id} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    // Not Linux: the host's name and the process number must do.
    return "";
  }
}

/** Field 22 of `/proc/<pid>/stat`: clock ticks from boot to the start of the process. A zombie counts as gone. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? "zombie" : fields[19];
  } catch {
    return undefined;
  }
}
