import type { Backend } from "../../src/backend/backend.js";
import type { ObjectStore } from "../../src/backend/store.js";
import { addressOf, factsOf, forgive, type Ledger, type Removal, sha256Of, violate } from "./ledger.js";
import { HOLD, isDue } from "./model/computer.js";
import { note, stage, turn } from "./model/stage.js";
import { judgePurge, judgeRemoval } from "./oracle.js";
import { type Bucket, copiesIn, isLive, objectReading, type Place, textOf } from "./place.js";
import type { Trash } from "./watch.js";

/** Sees what becomes of objects, at the moment when it does. */
export function watchStore(ledger: Ledger, trash: Trash, bucket: Bucket): void {
  const { objects } = bucket.store;
  objects.set = function set(name, version) {
    const old = objects.get(name);
    if (stage.current) {
      note(`put ${bucket.name}:${name} ${JSON.stringify(textOf(version.bytes).slice(0, 40))}`);
      if (old && isLive(name))
        violate(ledger, "I3", `${addressOf(bucket, name)} held ${textOf(old.bytes)} and is replaced`);
      bucket.makers.set(version, stage.current);
      if (name.startsWith(".stowage-trash/")) {
        const by = stage.current;
        trash.objects.set(version, {
          removal: undefined,
          by,
          key: name,
          since: stage.clock,
          step: stage.step,
          settled: false,
        });
      }
    }
    return Map.prototype.set.call(this, name, version) as typeof objects;
  };
  objects.delete = function remove(name) {
    const version = objects.get(name);
    if (stage.current && version) {
      note(`remove ${bucket.name}:${name}`);
      const own = bucket.makers.get(version) === stage.current;
      const doomed = { place: bucket, key: name, text: textOf(version.bytes), own };
      const removal = factsOf(ledger).removals.get(addressOf(bucket, name));
      const trashed = trash.objects.get(version);
      if (isLive(name)) {
        judgeRemoval(ledger, doomed, removal, removal?.trash === true && inTrash(bucket, doomed.text));
        for (const held of trash.objects.values())
          if (held.by === stage.current && held.key.split("/").slice(3).join("/") === name) held.settled = true;
      } else if (trashed && trashed.by !== stage.current) judgePurge(ledger, doomed, { ...trashed, keep: trash.keep });
      else if (trashed && !trashed.settled) queueMicrotask(() => withdraw(ledger, doomed.text));
    }
    return Map.prototype.delete.call(this, name);
  };
}

/** The copy for the trash goes again, for its object was gone before the removal: what users deleted meanwhile is owed no more. */
function withdraw(ledger: Ledger, text: string): void {
  if (ledger.losses.some((loss) => loss.by === "user" && loss.text === text)) forgive(ledger, text);
}

const inTrash = (place: Place, text: string): boolean =>
  [...copiesIn(place)].some((copy) => copy.kind === "trash" && copy.text === text);

/** The store as one process reaches it: it is down, loses answers, and lists in pieces. */
export function reached(ledger: Ledger, bucket: Bucket, store: ObjectStore): ObjectStore {
  const { name: place } = bucket;
  const unavailable = () => Object.assign(new Error(`${place} does not answer`), { code: "UNAVAILABLE" });
  /** As the adapters do, it asks again. */
  const again = async <T>(call: string, body: () => Promise<T>): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      try {
        if (isDue(place, "error", call)) throw unavailable();
        const result = await body();
        if (call !== "head" && isDue(place, "lost answer", call)) throw unavailable();
        return result;
      } catch (error) {
        if ((error as { code?: string }).code !== "UNAVAILABLE" || attempt === 3) throw error;
      }
    }
  };
  return {
    ...store,
    head: (name) => again("head", () => store.head(name)),
    put: (name, upload, condition) => again("put", () => store.put(name, upload, condition)),
    ...(store.copy && {
      copy: (from, name, upload) => again("copy", async () => await store.copy!(from, name, upload)),
    }),
    // Of a removal that is asked for again, nothing to be found is what was wanted.
    async remove(name, token) {
      let attempt = 0;
      if (stage.current && isLive(name) && isDue(place, "hold", "remove")) {
        stage.current.pausedUntil = stage.step + HOLD;
        await turn("hold");
      }
      await again("remove", async () => {
        attempt += 1;
        await store.remove(name, token).catch((error: unknown) => {
          if (attempt === 1 || (error as { code?: string }).code !== "NOT_FOUND") throw error;
        });
      });
    },
    discard: (name) => again("discard", () => store.discard(name)),
    async *read(name, request) {
      if (isDue(place, "error")) throw unavailable();
      const before = bucket.store.objects.get(name);
      const pieces: Uint8Array[] = [];
      for await (const piece of store.read(name, request)) {
        pieces.push(Uint8Array.from(piece));
        yield piece;
      }
      const after = bucket.store.objects.get(name);
      if (!before || !after || request.start) return;
      const reading = objectReading(bucket, name, after);
      // The same bytes written anew have the same token: then what was read is what is there now.
      const anew = before.token === after.token && after.bytes.equals(Buffer.concat(pieces));
      if (anew || reading === objectReading(bucket, name, before)) factsOf(ledger).proved.add(reading);
    },
    async *list(prefix) {
      for await (const page of store.list(prefix)) {
        if (isDue(place, "broken listing")) throw unavailable();
        yield page;
      }
    },
  };
}

/** A location as one process sees it; the ledger knows what is asked of it. */
export function observed(ledger: Ledger, place: Place, backend: Backend): Backend {
  return {
    ...backend,
    async remove(key, options) {
      const facts = factsOf(ledger);
      const action = facts.plan?.actions.find(
        ({ from, kind }) =>
          from.location === backend.location && from.key === key && kind !== "copy" && kind !== "verify",
      );
      const target = facts.plan?.actions.some(({ to }) => to?.location === backend.location && to.key === key);
      // A conflict loser and what takes its place have one key: the version tells them apart.
      const source = action !== undefined && (!target || action.from.version === options.version);
      const removal: Removal = { action, source, trash: options.trash, lastLook: undefined, done: false };
      facts.removals.set(addressOf(place, key), removal);
      note(`removes ${addressOf(place, key)}${options.trash ? " into the trash" : ""}`);
      const confirm = async (): Promise<void> => {
        removal.lastLook = stage.step;
        await options.confirm();
        note(`has looked last at what vouches for ${addressOf(place, key)}`);
      };
      try {
        await backend.remove(key, { ...options, confirm });
      } catch (error) {
        const { code } = error as { code?: string };
        if (removal.done && (code === "PRECONDITION" || code === "NOT_FOUND"))
          violate(ledger, "I6", `${addressOf(place, key)} was removed, and that is told as ${code}`);
        throw error;
      }
    },
    async write(key, source) {
      try {
        return await backend.write(key, source);
      } catch (error) {
        if ((error as { code?: string }).code === "PRECONDITION" && isOurs(ledger, place, key, source.sha256))
          violate(ledger, "I6", `${addressOf(place, key)} was published, and that is told as a name that is taken`);
        throw error;
      }
    },
    async *list(options) {
      const before = new Map(
        [...copiesIn(place)].filter(({ kind }) => kind === "live").map((copy) => [copy.key, copy.physical]),
      );
      const listed = new Set<string>();
      for await (const entry of backend.list(options)) {
        listed.add(entry.key);
        yield entry;
      }
      // What is listed of a disk that went meanwhile is for the marker to tell.
      for (const copy of ledger.unmounted ? [] : copiesIn(place)) {
        if (copy.kind === "live" && before.get(copy.key) === copy.physical && !listed.has(copy.key))
          violate(ledger, "I5", `the listing of ${place.name} ended well without ${copy.key}`);
      }
    },
  };
}

/** Only one action of the plan goes there, and what is there was made by this very process. */
function isOurs(ledger: Ledger, place: Place, key: string, sha256: string): boolean {
  if (ledger.unmounted || ledger.linked.has(addressOf(place, key))) return false;
  const { plan } = factsOf(ledger);
  const writers = plan?.actions.filter(({ to }) => to && ledger.placeOf.get(to.location) === place && to.key === key);
  return (
    writers?.length === 1 &&
    [...copiesIn(place)].some(
      (copy) => copy.key === key && copy.maker === stage.current && sha256Of(copy.text) === sha256,
    )
  );
}
