import { createHash } from "node:crypto";
import { linkSync, lstatSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { localBackend } from "../../src/backend/local.js";
import { uuidOf } from "../setup/apply.js";

/** What is there before, and what must be there in the end; addresses are `location:key`. */
export interface World {
  locations: readonly string[];
  /** The name of the state directory. */
  state: string;
  before: Readonly<Record<string, string>>;
  /** Further names of files. */
  links: readonly (readonly [from: string, to: string])[];
  after: Readonly<Record<string, string>>;
  /** By the owner's word these contents may be in the trash only, and go with it. */
  mayGo: readonly string[];
}

/** The locations below `base`, with their markers and files. */
export async function makeWorld(base: string, { locations, before, links }: World): Promise<void> {
  for (const name of locations) {
    mkdirSync(join(base, name), { recursive: true });
    await localBackend(name, join(base, name)).writeMarker(uuidOf(name));
  }
  for (const [address, text] of Object.entries(before)) {
    const file = fileOf(base, address);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    utimesSync(file, timeOf(text), timeOf(text));
  }
  for (const [from, to] of links) linkSync(fileOf(base, from), fileOf(base, to));
}

const split = (address: string): [string, string] => {
  const [location = "", key = ""] = address.split(/:(.*)/s);
  return [location, key];
};
export const fileOf = (base: string, address: string): string => join(base, ...split(address));
export const timeOf = (content: string): number =>
  1_600_000_000 + (Number.parseInt(hashOf(content).slice(0, 6), 16) % 1e6) + 0.25;
export const hashOf = (bytes: string | Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** The hash of each file, by its address; with stowage's own where asked for. */
export function contentsOf(base: string, world: World, options: { own?: boolean } = {}): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (location: string, folder: string) => {
    for (const name of readdirSync(join(base, location, folder)).sort()) {
      const key = folder === "" ? name : `${folder}/${name}`;
      if (folder === "" && (name === "lost+found" || (name.startsWith(".stowage-") && !options.own))) continue;
      const path = join(base, location, key);
      if (lstatSync(path).isDirectory()) walk(location, key);
      else found.set(`${location}:${key}`, hashOf(readFileSync(path)));
    }
  };
  for (const name of world.locations) walk(name, "");
  return found;
}

/** What is wrong with the world in the middle of things: contents that are lost, and files that hold what nobody meant. */
export function damageIn(base: string, world: World, options: { swept: boolean }): string[] {
  const all = contentsOf(base, world, { own: true });
  const whole = new Set([...all].filter(([address]) => !isDraft(address)).map(([, hash]) => hash));
  const lost = [...new Set(Object.values(world.before))]
    .filter((text) => !whole.has(hashOf(text)) && !(options.swept && world.mayGo.includes(text)))
    .map((text) => `lost: ${text.slice(0, 20)}`);
  const wrong = [...contentsOf(base, world)]
    .filter(([address, hash]) => !meant(world, address).includes(hash) && !isReserved(base, address, all))
    .map(([address]) => `wrong bytes: ${address}, ${lstatSync(fileOf(base, address)).size} bytes`);
  return [...lost, ...wrong];
}

const isDraft = (address: string): boolean => address.includes(":.stowage-tmp/") && !address.endsWith(".removing");

function meant({ before, after, links }: World, address: string): string[] {
  const texts = [
    before[address],
    after[address],
    ...links.filter(([, to]) => to === address).map(([from]) => before[from]),
  ];
  return texts.filter((text) => text !== undefined).map(hashOf);
}

/** Without hard links a name is taken by an empty file first, and a note tells whose it is. */
function isReserved(base: string, address: string, all: ReadonlyMap<string, string>): boolean {
  const [location, key] = split(address);
  if (lstatSync(fileOf(base, address)).size > 0) return false;
  return [...all.keys()].some(
    (note) =>
      note.startsWith(`${location}:.stowage-tmp/`) && note.endsWith(".claim") && namesKey(fileOf(base, note), key),
  );
}

const namesKey = (note: string, key: string): boolean => readFileSync(note, "utf8").includes(JSON.stringify(key));

/** How the world differs from the end that an undisturbed run comes to. */
export function differencesIn(base: string, world: World): string[] {
  const now = contentsOf(base, world);
  const addresses = new Set([...now.keys(), ...Object.keys(world.after)]);
  return [...addresses].flatMap((address) => {
    const text = world.after[address];
    if (text === undefined) return [`${address} is left`];
    if (now.get(address) !== hashOf(text))
      return [`${address} ${now.has(address) ? "holds other bytes" : "is missing"}`];
    const { mtimeMs } = lstatSync(fileOf(base, address));
    return mtimeMs === timeOf(text) * 1000 ? [] : [`${address} has another time`];
  });
}

/** What killed runs left behind. */
export function leftoversIn(base: string, world: World): string[] {
  const own = [...contentsOf(base, world, { own: true }).keys()].filter((address) =>
    /:\.stowage-t|\.removing$/.test(address),
  );
  const locks = readdirSync(join(base, world.state)).filter((name) => name.startsWith("lock"));
  return [...own, ...locks.map((name) => `${world.state}/${name}`)];
}
