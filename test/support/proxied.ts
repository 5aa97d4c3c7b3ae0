import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { S3Client } from "@aws-sdk/client-s3";
import { apply } from "../../src/apply/apply.js";
import type { RunReport } from "../../src/apply/events.js";
import { gc } from "../../src/apply/gc.js";
import type { Backend, StoreFeatures } from "../../src/backend/backend.js";
import { bucketBackend } from "../../src/backend/bucket.js";
import { localBackend } from "../../src/backend/local.js";
import { openRequests } from "../../src/backend/requests.js";
import type { Limits } from "../../src/backend/s3/session.js";
import { s3Store } from "../../src/backend/s3.js";
import type { S3Store } from "../../src/config/config.js";
import { codeOf } from "../../src/lib/error.js";
import { sha256Hex } from "../../src/lib/json.js";
import type { Plan } from "../../src/plan/plan.js";
import { type ActionSpec, applyOptions, planOf, plant, ref, type Tree, uuidOf } from "../setup/apply.js";
import { hashAt, keysOf, sourceOf } from "../system/proxy-kit.js";
import { type Machine, type PlaceOrder, startMachine } from "./machine.js";
import { type FaultProxy, openProxy } from "./proxy.js";
import { clientOf, dropBucket, makeBucket, REGION, type S3Server } from "./s3/server.js";

/** What is there before, and what is to be done with it; `cloud` is the bucket, `disk` the directory. */
export interface Job {
  tree: Tree;
  actions: ActionSpec[];
  /** All of it in the end. */
  end: Tree;
  trash: number;
  limits?: Partial<Limits>;
}

export interface Bucket {
  client: S3Client;
  name: string;
  /** A job at a place of its own. */
  begin(job: Job): Promise<Trial>;
  dispose(): Promise<void>;
}

/** One job under faults. */
export interface Trial {
  proxy: FaultProxy;
  /** Applies the plan that was made at first, here; under faults with little patience. */
  apply(weather?: Weather): Promise<RunReport | string>;
  /** Plans what is left to be done, and applies that. */
  applyRest(): Promise<RunReport | string>;
  /** Applies the first plan in a process of its own, under faults. */
  start(): Machine;
  /** Hashes of all that is there, and of all that is in a trash. */
  now(): Promise<{ tree: Record<string, string>; trash: string[] }>;
  /** Names of temporaries and of uploads that nobody ends, after `gc`. */
  leftAfterGc(): Promise<string[]>;
  close(): Promise<void>;
}

export type Weather = "faults" | "calm";

/** What goes wrong on purpose is given up soon; where nothing does, the machine may be as busy as it likes. */
const PACE = {
  faults: { retries: 2, timeout: 4_000, stall: 2_000, patience: 4_000, concurrency: 4 },
  calm: { retries: 4, timeout: 60_000, stall: 60_000, patience: 120_000, concurrency: 4 },
};
/** A plan that is made later is another plan, also where nothing was done meanwhile. */
const ANEW = "p-00000000000000ff";
const GATE = { faults: 1_000, calm: 120_000 };

export async function openBucket(server: S3Server): Promise<Bucket> {
  const client = await clientOf(server);
  const name = await makeBucket(client, { versioned: true });
  const { accessKeyId, secretAccessKey } = server;
  const config = { region: REGION, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } };
  const way = { type: "s3" as const, bucket: name, ...config };
  const place = { client, verdicts: undefined as StoreFeatures | undefined };
  const prober = await openCloud({ ...way, prefix: "probe/", endpoint: server.endpoint }, place);
  place.verdicts = (await prober.probe?.())?.store;
  await prober.close();
  let count = 0;
  return {
    ...{ client, name },
    begin: (job) => {
      count += 1;
      return beginJob(job, { ...way, prefix: `job ${count}/`, endpoint: server.endpoint }, place);
    },
    async dispose() {
      await dropBucket(client, name);
      client.destroy();
    },
  };
}

interface Standing {
  client: S3Client;
  verdicts: StoreFeatures | undefined;
}

async function openCloud(
  store: S3Store,
  { verdicts }: Standing,
  { limits, weather = "calm" }: { limits?: Partial<Limits> | undefined; weather?: Weather } = {},
): Promise<Backend> {
  const requests = openRequests("cloud", { ...PACE[weather], random: () => 0.05 });
  const options = { allowUnconditionalDelete: false, ...(verdicts && { verdicts }) };
  return bucketBackend("cloud", store.prefix, await s3Store(store, requests, limits), requests, options);
}

async function beginJob(job: Job, way: S3Store, standing: Standing): Promise<Trial> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "stowage-proxied-")));
  const [disk, state] = [join(root, "disk"), join(root, "state")];
  mkdirSync(disk);
  const direct = new Map([
    ["disk", localBackend("disk", disk)],
    ["cloud", await openCloud(way, standing, job)],
  ]);
  await prepare(job, root, direct);
  const first = await planOf(direct, job.actions, { trash: job.trash });
  const proxy = await openProxy(way.endpoint ?? "");
  const through = { ...way, endpoint: proxy.url };

  const applied = async (plan: Plan, weather: Weather): Promise<RunReport | string> => {
    const cloud = await openCloud(through, standing, { limits: job.limits, weather });
    const backends = new Map([
      ["disk", localBackend("disk", disk)],
      ["cloud", cloud],
    ]);
    try {
      return await apply(plan, backends, applyOptions(state, { concurrency: 1, patience: GATE[weather] }));
    } catch (error) {
      return codeOf(error) ?? String(error);
    } finally {
      await cloud.close();
    }
  };
  const places: PlaceOrder[] = [
    { name: "disk", root: disk },
    { name: "cloud", store: through, ...(job.limits && { limits: job.limits }), ...verdictsOf(standing) },
  ];
  return {
    proxy,
    apply: (weather = "calm") => applied(first, weather),
    applyRest: async () =>
      applied(await planOf(direct, await restOf(job, direct), { trash: job.trash, plan_id: ANEW }), "calm"),
    start: () =>
      startMachine({ plan: first, places, state, requests: PACE.faults }, { file: join(root, "order.json") }),
    now: () => found(direct, (handle) => join(disk, handle), trashOf(way, standing)),
    leftAfterGc: () => leftAfterGc(direct, state, way, standing),
    async close() {
      await proxy.close();
      for (const backend of direct.values()) await backend.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

const verdictsOf = ({ verdicts }: Standing) => (verdicts ? { verdicts } : {});

async function prepare({ tree }: Job, root: string, direct: ReadonlyMap<string, Backend>): Promise<void> {
  for (const [name, backend] of direct) await backend.writeMarker(uuidOf(name));
  const [local, remote] = [/^disk:/, /^cloud:/].map((of) =>
    Object.entries(tree).filter(([address]) => of.test(address)),
  );
  plant(root, Object.fromEntries(local ?? []));
  const cloud = direct.get("cloud");
  await Promise.all(
    (remote ?? []).map(([address, text]) => cloud?.write(ref(address).key, sourceOf(Buffer.from(text)))),
  );
}

/** What a plan made now would hold: a copy that is there is not made again, what is gone is not removed again. */
async function restOf({ actions }: Job, backends: ReadonlyMap<string, Backend>): Promise<ActionSpec[]> {
  const holds = async (address: string, content: string): Promise<boolean> => {
    const { location, key } = ref(address);
    const backend = backends.get(location);
    return backend !== undefined && (await hashAt(backend, key)) === sha256Hex(content);
  };
  const rest: ActionSpec[] = [];
  for (const [index, action] of actions.entries()) {
    const { kind, from, to, content } = action;
    const [source, target] = [await holds(from, content), to !== undefined && (await holds(to, content))];
    if (kind === "copy" ? !target : source) rest.push({ id: `a${index + 1}`, ...action });
  }
  const left = new Set(rest.map(({ id }) => id));
  return rest.map((action) => ({ ...action, depends_on: (action.depends_on ?? []).filter((id) => left.has(id)) }));
}

type ReadTrash = (handle: string) => Promise<Buffer>;

const trashOf =
  ({ bucket, prefix }: S3Store, { client }: Standing): ReadTrash =>
  async (handle) => {
    const { GetObjectCommand } = await import("@aws-sdk/client-s3");
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: prefix + handle }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  };

async function found(direct: ReadonlyMap<string, Backend>, fileOf: (handle: string) => string, readCloud: ReadTrash) {
  const tree: Record<string, string> = {};
  const trash: string[] = [];
  for (const [name, backend] of direct) {
    for (const key of await keysOf(backend)) tree[`${name}:${key}`] = (await hashAt(backend, key)) ?? "gone";
    for await (const { kind, handle } of backend.leftovers()) {
      if (kind !== "trash") continue;
      trash.push(sha256Hex(backend.root === undefined ? await readCloud(handle) : readFileSync(fileOf(handle))));
    }
  }
  return { tree, trash };
}

async function leftAfterGc(
  direct: Map<string, Backend>,
  state: string,
  { bucket, prefix }: S3Store,
  { client }: Standing,
): Promise<string[]> {
  const left: string[] = [];
  // What a killed probe left may belong to one that is at work on another machine: it goes after a week.
  for (const [after, stays] of [
    [0, /^\.stowage-tmp\/probe-/],
    [8 * 24 * 3600_000, /^$/],
  ] as const) {
    const { problems } = await gc(direct, { state, trash: 1e13, now: Date.now() + after });
    left.push(...problems.map(({ message }) => message));
    for (const backend of direct.values()) {
      for await (const { kind, handle } of backend.leftovers()) {
        if (kind === "temporary" && !stays.test(handle)) left.push(handle);
      }
    }
  }
  const { ListMultipartUploadsCommand } = await import("@aws-sdk/client-s3");
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix }));
  return [...left, ...Uploads.map(({ Key }) => `upload of ${Key}`)];
}
