import { execFile } from "node:child_process";
import { connect, createServer, type Server } from "node:net";
import { promisify } from "node:util";
import { isAlive } from "./alive.js";

const run = promisify(execFile);

/** A network of its own for each machine, where that is allowed. */
export interface Networks {
  /** For people: what tells the machines apart. */
  what: string;
  /** Each machine has one of its own; else they share the one that is here. */
  own: boolean;
  /** The network namespace of a machine. */
  name(machine: number): string | undefined;
  /** Where a machine finds the server. */
  endpoint(machine: number): string | undefined;
  /** @throws when one can not be removed */
  remove(): Promise<void>;
}

const alone = (why: string): Networks => ({
  what: `SEPARATE STATE DIRECTORIES ONLY, no network namespaces: ${why}`,
  own: false,
  name: () => undefined,
  endpoint: () => undefined,
  remove: async () => undefined,
});

/**
 * Makes so many network namespaces, each of which reaches the server at `endpoint` by a cable (veth) of its own. The server listens on loopback, so its
 * address is passed on here. Without the rights for that the machines are processes with state directories of their own.
 */
export async function makeNetworks(endpoint: string | undefined, count: number): Promise<Networks> {
  if (!endpoint) return alone("there is no server");
  const id = process.pid.toString(36);
  const made: string[] = [];
  const relays: Server[] = [];
  const remove = async () => {
    for (const relay of relays) relay.close();
    const ends = await Promise.allSettled(made.splice(0).map((name) => run("ip", ["netns", "del", name])));
    const problems = ends.flatMap((end) => (end.status === "rejected" ? [end.reason] : []));
    if (problems.length > 0) throw new AggregateError(problems, "network namespaces are left behind");
  };
  try {
    await sweep();
    const endpoints: string[] = [];
    for (let n = 0; n < count; n++) {
      const name = `stow-${id}-${n}`;
      await run("ip", ["netns", "add", name]);
      made.push(name);
      const host = await cable(name, `st${id}h${n}`, `st${id}m${n}`);
      const relay = await relayTo(endpoint, host);
      relays.push(relay.server);
      endpoints.push(`http://${host}:${relay.port}`);
    }
    const what = `${count} network namespaces`;
    return { what, own: true, name: (n) => made[n % count], endpoint: (n) => endpoints[n % count], remove };
  } catch (error) {
    await remove();
    return alone(error instanceof Error ? (error.message.split("\n").at(-2) ?? error.message) : String(error));
  }
}

/** Removes the namespaces of processes that did not live to do it, and the cables with them. */
async function sweep(): Promise<void> {
  const { stdout } = await run("ip", ["netns", "list"]);
  for (const line of stdout.split("\n")) {
    const [name, pid] = /^stow-([0-9a-z]+)-\d+(?= |$)/.exec(line) ?? [];
    if (name !== undefined && !isAlive(Number.parseInt(pid ?? "", 36))) await run("ip", ["netns", "del", name]);
  }
}

/** Two ends of one cable; the near one has the address that is returned. */
async function cable(netns: string, near: string, far: string): Promise<string> {
  const subnet = `10.213.${process.pid % 250}.${4 * cables++}`;
  const [host, machine] = [1, 2].map((last) => subnet.replace(/\d+$/, (first) => String(Number(first) + last)));
  await run("ip", ["link", "add", near, "type", "veth", "peer", "name", far, "netns", netns]);
  await run("ip", ["addr", "add", `${host}/30`, "dev", near]);
  await run("ip", ["link", "set", near, "up"]);
  await run("ip", ["-n", netns, "addr", "add", `${machine}/30`, "dev", far]);
  await run("ip", ["-n", netns, "link", "set", far, "up"]);
  await run("ip", ["-n", netns, "link", "set", "lo", "up"]);
  return host ?? "";
}
let cables = 0;

async function relayTo(endpoint: string, host: string): Promise<{ server: Server; port: number }> {
  const { hostname, port } = new URL(endpoint);
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    near.pipe(far).pipe(near);
    near.on("error", () => far.destroy());
    far.on("error", () => near.destroy());
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, host, resolve));
  const address = server.address();
  server.unref();
  return { server, port: typeof address === "object" && address !== null ? address.port : 0 };
}
