import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type ApplyOptions, apply } from "../../src/apply/apply.js";
import type { Backend, Entry } from "../../src/backend/backend.js";
import { localBackend } from "../../src/backend/local.js";
import { type MemoryBackend, memoryBackend } from "../../src/backend/memory.js";
import { sha256Hex } from "../../src/lib/json.js";
import type { Action, Plan, Ref, Witness } from "../../src/plan/plan.js";

export const NOW = Date.UTC(2025, 5, 1);
export const DIGEST = "sha256:config";

/** A scratch directory that is removed after the test by `cleanup`. */
export function scratch(above = tmpdir()): string {
  const made = realpathSync(mkdtempSync(join(above, "stowage-apply-")));
  scratches.push(made);
  return made;
}
const scratches: string[] = [];
export function cleanup(): void {
  for (const directory of scratches.splice(0)) rmSync(directory, { recursive: true, force: true });
}

export type Tree = Record<string, string>;

/** `a:x/y.txt` → bytes, for the locations a and b. */
export function plant(root: string, tree: Tree): void {
  for (const [address, text] of Object.entries(tree)) {
    const [location = "", key = ""] = address.split(/:(.*)/s);
    const file = join(root, location, key);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

/** All files below the locations, without stowage's own. */
export function harvest(root: string, options: { own?: boolean } = {}): Tree {
  const tree: Tree = {};
  const walk = (directory: string, prefix: string, depth: number) => {
    for (const name of readdirSync(directory).sort()) {
      const path = join(directory, name);
      if (depth === 1 && name.startsWith(".stowage-") && !options.own) continue;
      if (lstatSync(path).isDirectory()) walk(path, prefix === "" ? `${name}:` : `${prefix}${name}/`, depth + 1);
      else if (lstatSync(path).isSymbolicLink()) tree[prefix + name] = `-> ${readlinkSync(path)}`;
      else if (depth > 0) tree[prefix + name] = readFileSync(path, "utf8");
    }
  };
  walk(root, "", 0);
  return tree;
}

/** The texts that lie in the trash of the locations. */
export function trashed(root: string): string[] {
  return Object.entries(harvest(root, { own: true }))
    .filter(([address]) => address.includes(":.stowage-trash/"))
    .map(([, text]) => text)
    .sort();
}

export interface World {
  root: string;
  state: string;
  backends: Map<string, Backend>;
}

/** Local locations with markers, below one scratch directory. */
export async function localWorld(names: string[], tree: Tree, step?: (name: string) => void): Promise<World> {
  const root = scratch();
  const backends = new Map<string, Backend>();
  for (const name of names) {
    mkdirSync(join(root, name));
    await localBackend(name, join(root, name)).writeMarker(uuidOf(name));
    backends.set(name, localBackend(name, join(root, name), step ? { step } : {}));
  }
  plant(root, tree);
  return { root, state: join(scratch(), "state"), backends };
}

export function memoryWorld(names: string[], tree: Tree): { state: string; backends: Map<string, MemoryBackend> } {
  const backends = new Map(names.map((name) => [name, memoryBackend(name, uuidOf(name))]));
  for (const [address, text] of Object.entries(tree)) {
    const [location = "", key = ""] = address.split(/:(.*)/s);
    backends.get(location)?.put(key, text);
  }
  return { state: join(scratch(), "state"), backends };
}

export const uuidOf = (name: string): string =>
  `00000000-0000-4000-8000-${Buffer.from(name).toString("hex").padStart(12, "0").slice(-12)}`;

export const ref = (address: string): Ref => {
  const [location = "", key = ""] = address.split(/:(.*)/s);
  return { location, key };
};

export interface ActionSpec {
  id?: string;
  kind: Action["kind"];
  from: string;
  to?: string;
  content: string;
  /** Default `absent`; `present` takes the version of what is there now. */
  expect?: "absent" | "present" | { version: string };
  witnesses?: string[];
  required?: number;
  depends_on?: string[];
  reason?: Action["reason"];
  version?: string;
}

/** A valid plan over the world as it is now. */
export async function planOf(
  backends: ReadonlyMap<string, Backend>,
  specs: ActionSpec[],
  header: Partial<Plan["header"]> & { trash?: number } = {},
): Promise<Plan> {
  const { trash = 1000, ...rest } = header;
  const actions: Action[] = [];
  for (const [index, spec] of specs.entries()) actions.push(await actionOf(backends, spec, index + 1));
  const names = [...backends.keys()];
  const at = new Date(NOW).toISOString();
  return {
    header: {
      type: "plan",
      format_version: "1.0",
      stowage_version: "0.1.0",
      plan_id: `p-${sha256Hex(JSON.stringify(actions)).slice(0, 16)}`,
      config: { digest: DIGEST, commit: null },
      created_at: at,
      evaluated_at: at,
      plan_ttl: 86_400_000,
      applyable: true,
      safety: { min_copies: 1, verify: "content", trash },
      scans: names.map((location, index) => ({
        location,
        type: "local",
        root: `/${location}`,
        priority: 100 - index,
        uuid: uuidOf(location),
        at,
        status: "complete",
        files: 0,
        bytes: 0,
      })),
      ...rest,
    },
    actions,
    footer: {
      type: "end",
      summary: { copy: 0, move: 0, delete: 0, verify: 0, blocked: 0, kept: 0, bytes: 0, files: 0, locations: 0 },
      blocked: [],
      kept: [],
      conflicts: [],
      drift: [],
      checks: [],
      capacity: [],
      proof: { min_copies: 1, floor: 1, converges: true },
      digest: "sha256:0",
    },
  };
}

async function actionOf(backends: ReadonlyMap<string, Backend>, spec: ActionSpec, number: number): Promise<Action> {
  const stat = async (address: string): Promise<Entry | undefined> =>
    await backends.get(ref(address).location)?.stat(ref(address).key);
  const [from, to] = [await stat(spec.from), spec.to === undefined ? undefined : await stat(spec.to)];
  const targets = spec.kind === "move" && spec.to !== undefined ? [spec.to] : [];
  const witnesses: Witness[] = [];
  for (const address of spec.witnesses ?? targets) {
    witnesses.push({ ...ref(address), version: (await stat(address))?.version ?? null });
  }
  const expect = spec.expect ?? (to ? "present" : "absent");
  return {
    type: "action",
    id: spec.id ?? `a${number}`,
    kind: spec.kind,
    rule: { name: "test", line: 1 },
    reason: spec.reason ?? "rule",
    content: `sha256:${sha256Hex(spec.content)}`,
    size: Buffer.byteLength(spec.content),
    from: { ...ref(spec.from), version: spec.version ?? from?.version ?? "gone" },
    to:
      spec.to === undefined
        ? null
        : {
            ...ref(spec.to),
            expect: expect === "absent" ? "absent" : expect === "present" ? (to?.version ?? "gone") : expect.version,
          },
    witnesses,
    depends_on: spec.depends_on ?? [],
    copies: { before: 1, after: 1 },
    required: spec.required ?? (spec.kind === "move" || spec.kind === "delete" ? 1 : 0),
    bytes: spec.kind === "copy" || spec.kind === "move" ? Buffer.byteLength(spec.content) : 0,
  };
}

export const applyOptions = (state: string, more: Partial<ApplyOptions> = {}): ApplyOptions => ({
  state,
  configDigest: DIGEST,
  now: () => NOW,
  concurrency: 4,
  retries: 0,
  ...more,
});

export const run = (
  world: { state: string; backends: ReadonlyMap<string, Backend> },
  plan: Plan,
  more: Partial<ApplyOptions> = {},
) => apply(plan, world.backends, applyOptions(world.state, more));

export const mtimeOf = (file: string): bigint => statSync(file, { bigint: true }).mtimeNs;
export const exists = existsSync;

/** What became of each action, in the order of their ids: `moved`, `skipped PRECONDITION`. */
export const told = ({ outcomes }: Awaited<ReturnType<typeof run>>): string[] =>
  outcomes
    .toSorted((p, q) => p.action.localeCompare(q.action, "en", { numeric: true }))
    .map(({ outcome, code }) => (code ? `${outcome} ${code}` : outcome));

/** The world with one location's backend changed. */
export const withBackend = (world: World, name: string, change: (backend: Backend) => Backend): World => ({
  ...world,
  backends: new Map([...world.backends].map(([each, backend]) => [each, each === name ? change(backend) : backend])),
});
