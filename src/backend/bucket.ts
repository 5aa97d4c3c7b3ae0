import type { Backend, Features, StoreFeatures } from "./backend.js";
import { type Bucket, nameOf } from "./bucket/bucket.js";
import { refusesTaken } from "./bucket/creating.js";
import { entryOf } from "./bucket/entry.js";
import { listLeftovers, purgeLeftover, tidyRun } from "./bucket/leftovers.js";
import { listObjects } from "./bucket/list.js";
import { look } from "./bucket/look.js";
import { identityOf, readMarker, writeMarkerObject } from "./bucket/marker.js";
import { probeStore } from "./bucket/probe.js";
import { readObject } from "./bucket/read.js";
import { bucketRegister } from "./bucket/register.js";
import { removeObject } from "./bucket/remove.js";
import { bucketShelf } from "./bucket/shelf.js";
import { writeObject } from "./bucket/write.js";
import type { Requests } from "./requests.js";
import type { ObjectStore } from "./store.js";

export interface BucketOptions {
  /** The owner's word that objects may be removed where the store does not honour conditions. */
  allowUnconditionalDelete: boolean;
  /** What an earlier probe has seen. Removals do not rely on it. */
  verdicts?: StoreFeatures | undefined;
  /** The store that it has seen; the verdicts are left aside when it is another. */
  probed?: string | undefined;
}

/**
 * A bucket, or the part of it below `prefix` (empty, or ends with `/`), as a location. All that is the same for every provider is here: marker,
 * own names, trash, proofs, the settling of lost answers, probing.
 */
export function bucketBackend(
  location: string,
  prefix: string,
  store: ObjectStore,
  requests: Requests,
  options: BucketOptions,
): Backend {
  const features = featuresOf(prefix, store, options);
  const { allowUnconditionalDelete } = options;
  const bucket: Bucket = {
    location,
    prefix,
    store,
    features,
    allowUnconditionalDelete,
    sizes: new Map(),
    removing: new Map(),
    written: 0,
  };
  const { tags, presign, provider, linkHeaders } = store;
  return {
    location,
    features,
    resilient: true,
    ...(provider !== undefined && { provider }),
    objectOf: (key, token) => ({ name: nameOf(bucket, key), bucket: store.address, token }),
    probe: (signal) => probeStore(bucket, signal),
    ...(tags && { tags: async (key) => await tags(nameOf(bucket, key)) }),
    ...(presign && { presign: async (key, signing) => await presign(nameOf(bucket, key), signing) }),
    ...(linkHeaders && { linkHeaders }),
    refusesTaken: (run) => refusesTaken(bucket, run),
    pausedFor: () => requests.pausedFor(),
    giveUp: () => requests.giveUp(),
    onRetry: (told) => {
      requests.onRetry = told;
    },
    marker: () => readMarker(bucket),
    writeMarker: (uuid, { replace = false } = {}) => writeMarkerObject(bucket, uuid, replace),
    identity: () => identityOf(bucket),
    list: (listing = {}) => listObjects(bucket, listing),
    stat: (key) => statObject(bucket, key),
    async *read(key, reading = {}) {
      yield* readObject(bucket, key, nameOf(bucket, key), reading);
    },
    write: (key, source) => writeObject(bucket, key, source),
    remove: (key, removing) => removeObject(bucket, key, removing),
    register: bucketRegister(bucket),
    journals: bucketShelf(bucket),
    tidy: (run, signal) => tidyRun(bucket, run, signal),
    space: async () => undefined,
    leftovers: () => listLeftovers(bucket),
    purge: (leftover) => purgeLeftover(bucket, leftover),
    close: () => store.close(),
  };
}

function featuresOf(prefix: string, store: ObjectStore, { verdicts, probed = store.address }: BucketOptions): Features {
  const longest = store.maxNameBytes - Buffer.byteLength(prefix);
  return {
    foldsCase: false,
    foldsUnicode: false,
    hardLinks: false,
    mtimeGranularity: 1,
    maxNameBytes: longest,
    maxKeyBytes: longest,
    readsBack: false,
    ...(verdicts && probed === store.address && { store: verdicts, probed }),
  };
}

async function statObject(bucket: Bucket, key: string) {
  const found = await look(bucket, nameOf(bucket, key));
  return found && entryOf(key, found);
}
