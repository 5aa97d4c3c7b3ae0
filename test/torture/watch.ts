import { addressOf, factsOf, forgive, isGiven, type Ledger, type Removal, violate } from "./ledger.js";
import type { Disk, Inode, Watch } from "./model/disk.js";
import { filesIn } from "./model/disk.js";
import { stage } from "./model/stage.js";
import { type Doomed, judgePurge, judgeRemoval, shown } from "./oracle.js";
import { type Directory, isLive, rootOf, textOf } from "./place.js";

/** What was put into the trash, by whom, and whether it was carried out. */
export interface Trashed {
  removal: Removal | undefined;
  by: object | undefined;
  key: string;
  since: bigint;
  step: number;
  settled: boolean;
}

/** The same of a file; one that a user has linked may lie there under several names. */
export interface TrashedFile extends Trashed {
  /** Its path in the place now. */
  at: string;
}

export interface Trash {
  keep: number;
  inodes: Map<Inode, TrashedFile[]>;
  objects: Map<object, Trashed>;
}

/** Sees what the code does to directories. */
export function watchDisks(ledger: Ledger, trash: Trash): Watch {
  const located = (disk: Disk, path: string): { place: Directory; key: string } | undefined => {
    for (const place of ledger.places) {
      if (place.kind !== "directory" || place.disk !== disk || disk.shown !== disk.root) continue;
      if (path.startsWith(place.folder)) return { place, key: path.slice(place.folder.length) };
    }
    return undefined;
  };
  const doomedAt = (place: Directory, key: string, inode: Inode): Doomed => ({
    ...{ place, key, text: textOf(inode.bytes), own: inode.maker !== undefined && inode.maker === stage.current },
  });

  const trashedAt = (inode: Inode, path: string): TrashedFile | undefined => {
    const all = trash.inodes.get(inode) ?? [];
    return all.findLast(({ at }) => at === path) ?? all.at(-1);
  };
  const forget = (inode: Inode, one: TrashedFile): void => {
    const rest = (trash.inodes.get(inode) ?? []).filter((each) => each !== one);
    if (rest.length > 0) trash.inodes.set(inode, rest);
    else trash.inodes.delete(inode);
  };

  /** It had its name back, and a user deleted it under that: what goes is only the other name. */
  const isDeletedAgain = ({ place, key, text }: Doomed, { step }: Trashed): boolean =>
    ledger.losses.some(
      (loss) =>
        loss.by === "user" && loss.place === place && loss.key === key && loss.text === text && loss.step > step,
    );
  /** What a removal had put away is in the trash for its time from now on, or has its name back. */
  const settle = (from: { place: Directory; key: string }, to: string, moved: Inode): void => {
    const files = moved.entries
      ? [...filesIn(moved)].map(([path, file]) => [`/${path}`, file] as const)
      : [["", moved] as const];
    for (const [path, inode] of files) {
      const trashed = trashedAt(inode, from.key + path);
      if (!trashed) continue;
      trashed.at = to + path;
      if (isLive(to)) forget(inode, trashed);
      else if (trashed.by === stage.current && !trashed.settled && from.key.includes(".removing")) {
        judgeRemoval(ledger, { ...doomedAt(from.place, trashed.key, inode), key: trashed.key }, trashed.removal, true);
        trashed.settled = true;
      }
    }
  };

  return {
    unlinking(disk, path, inode) {
      const found = stage.current && located(disk, path);
      if (!found) return;
      const { place, key } = found;
      if (isLive(key)) {
        const ownReservation = inode.bytes.length === 0 && factsOf(ledger).reserved.has(path);
        const leftReservation = inode.bytes.length === 0 && inode.maker !== undefined;
        if (!ownReservation && !leftReservation) judgeRemoval(ledger, doomedAt(place, key, inode), undefined, false);
        return;
      }
      const trashed = trashedAt(inode, key);
      if (!trashed || !(key.startsWith(".stowage-trash/") || key.endsWith(".removing"))) return;
      if (hasOtherName(place, key, inode)) return;
      const doomed = { ...doomedAt(place, key, inode), key: trashed.key };
      if (isDeletedAgain(doomed, trashed)) return void queueMicrotask(() => forgive(ledger, doomed.text));
      if (trashed.by === stage.current) judgeRemoval(ledger, doomed, trashed.removal, false);
      else judgePurge(ledger, { ...doomed, key }, { ...trashed, keep: trash.keep });
    },
    replacing(disk, to, old, _inode) {
      const found = stage.current && located(disk, to);
      if (!found || !isLive(found.key)) return;
      const { reserved, looked } = factsOf(ledger);
      const where = addressOf(found.place, found.key);
      if (reserved.has(to)) {
        // What a user writes into the reserved name after the last look at it can not be seen any more.
        const unseen = ledger.losses.some(
          (loss) => loss.place === found.place && loss.key === found.key && loss.step >= (looked.get(to) ?? 0),
        );
        if (old.bytes.length === 0 || unseen) return void queueMicrotask(() => forgive(ledger, textOf(old.bytes)));
      } else if (old.bytes.length === 0 && old.maker !== undefined) return;
      violate(ledger, "I3", `${where} held ${shown(textOf(old.bytes))} and is replaced`);
    },
    moved(disk, from, to, inode) {
      const [before, after] = stage.current ? [located(disk, from), located(disk, to)] : [];
      if (!before || !after) return;
      if (!isLive(before.key)) settle(before, after.key, inode);
      else if (!isLive(after.key)) {
        const removal = factsOf(ledger).removals.get(addressOf(before.place, before.key));
        const { key } = before;
        if (!removal) violate(ledger, "I2", `${addressOf(before.place, key)} is taken away without a removal`);
        // Whoever looked last before that relies on what this process has proven itself.
        if (stage.current)
          ledger.taken.push({
            text: textOf(inode.bytes),
            place: before.place,
            key,
            step: stage.step,
            by: stage.current,
            given: isGiven(removal?.action),
            required: removal?.action?.required ?? Number.POSITIVE_INFINITY,
          });
        const trashed = { removal, by: stage.current, key, since: stage.clock, step: stage.step, settled: false };
        trash.inodes.set(inode, [...(trash.inodes.get(inode) ?? []), { ...trashed, at: after.key }]);
      }
    },
    writing(disk, path, inode) {
      const found = stage.current && located(disk, path);
      if (found && isLive(found.key) && inode.maker !== stage.current)
        violate(ledger, "I3", `${addressOf(found.place, found.key)} is written over`);
    },
    looking: (disk, path) => {
      if (stage.current && located(disk, path)) factsOf(ledger).looked.set(path, stage.step);
    },
    creating: (disk, path) => {
      const found = stage.current && located(disk, path);
      if (found && isLive(found.key)) factsOf(ledger).reserved.add(path);
    },
  };
}

/** It was put back, is linked to by a user, or was put away by another one who is removing it: the bytes stay. */
function hasOtherName(place: Directory, key: string, inode: Inode): boolean {
  for (const [other, found] of filesIn(rootOf(place)!))
    if (found === inode && other !== key && !other.startsWith(".stowage-tmp/")) return true;
  return false;
}
