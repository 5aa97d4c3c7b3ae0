/** A defect that is planted in a private copy of the product. Each text must be in its file exactly once, so that none can rot. */
export interface Mutant {
  name: string;
  /** What it takes away, in the words of docs/safety.md. */
  breaks: string;
  edits: readonly { file: string; before: string; after: string }[];
}

const edit = (file: string, before: string, after: string) => ({ file: `src/${file}`, before, after });

export const MUTANTS: readonly Mutant[] = [
  {
    name: "no read-back",
    breaks: "I4: what a disk has stored wrong gets its name",
    edits: [edit("backend/local/write.ts", "if (hash === source.sha256) return file;", "return file;")],
  },
  {
    name: "second name not read",
    breaks: "I2: a move within one file system takes the first name of what nobody has read",
    edits: [
      edit("backend/local/second-name.ts", "  await prove();\n", ""),
      edit(
        "apply/removal.ts",
        " && (await holdsContent(task, ref.location, now, needed(task)))) continue;",
        ") continue;",
      ),
    ],
  },
  {
    name: "second name not looked at in the end",
    breaks: "I2: the name that is to stay may be gone by then, or be the very one that goes",
    edits: [
      edit(
        "apply/removal.ts",
        "    const now = await backendOf(run, ref.location).stat(ref.key);\n",
        "    if (isSameFile(entry, removed)) continue;\n    const now = await backendOf(run, ref.location).stat(ref.key);\n",
      ),
      edit(
        "backend/local/remove.ts",
        "  if (options.otherName && verified.nlink < 2n) throw onlyName(disk, key);\n",
        "",
      ),
    ],
  },
  {
    name: "no fsync of the bytes",
    breaks: "I1: a copy counts that a loss of power can take",
    edits: [edit("backend/local/write.ts", "    await disk.barrier.file(handle);\n", "")],
  },
  {
    name: "no syncfs for the files of a group",
    breaks: "I1: files get their names before the call that makes all of them durable",
    edits: [edit("backend/local/barrier.ts", "      await syncfs?.sync();\n", "")],
  },
  {
    name: "failed syncfs taken for done",
    breaks: "I1: what one call for many could not make durable counts all the same",
    edits: [
      edit(
        "backend/local/barrier.ts",
        "      broken = true;\n      return undefined;\n",
        "      return (await opening)?.dev;\n",
      ),
    ],
  },
  {
    name: "files that come while syncfs runs taken for durable",
    breaks: "I1: what was written after the call has begun counts as done by it",
    edits: [
      edit(
        "backend/local/barrier.ts",
        "      waiting = [];\n      directories = new Map();\n      const dev",
        "      const dev",
      ),
      edit(
        "backend/local/barrier.ts",
        "      for (const wish of group) if (wish.dev === dev) wish.settled(undefined);\n",
        "      for (const wish of group) if (wish.dev === dev || !alone.includes(wish)) wish.settled(undefined);\n      waiting = [];\n      directories = new Map();\n",
      ),
    ],
  },
  {
    name: "no fsync of the name",
    breaks: "I1: a copy counts whose name a loss of power can take",
    edits: [
      edit(
        "backend/local/publish.ts",
        '  await disk.step("published");\n  await syncParents(disk, final, dev);\n',
        '  await disk.step("published");\n',
      ),
    ],
  },
  {
    name: "no fsync of what others wrote",
    breaks: "I1: a copy counts that a killed run has written and not synced",
    edits: [edit("apply/removal.ts", "    await backendOf(run, location).settle?.(key);\n", "")],
  },
  {
    name: "no fsync of the trash before it is used",
    breaks: "I1: a file goes with the folder it was put into",
    edits: [
      edit(
        "backend/local/remove.ts",
        "look, makeLastingParents, pruneParents",
        "look, makeParents as makeLastingParents, pruneParents",
      ),
    ],
  },
  {
    name: "no conditional remove",
    breaks: "I2: what was written meanwhile is removed in place of what was verified",
    edits: [
      edit(
        "backend/bucket/remove.ts",
        "if (removal.conditional) return await store.remove(found.name, found.token);",
        "if (removal.conditional) return await store.discard(found.name);",
      ),
    ],
  },
  {
    name: "publish by overwrite",
    breaks: "I3: what is there is replaced",
    edits: [edit("backend/local/publish.ts", "    await link(path, final);\n", "    await rename(path, final);\n")],
  },
  {
    name: "publish where another file is, once it is there",
    breaks: "I4: the file of somebody else is taken for what was written",
    edits: [edit("backend/local/write.ts", " || !isSame(entry, own)", "")],
  },
  {
    name: "no re-check before removal, in a directory",
    breaks: "I2: a copy that vouches may be gone by then",
    edits: [edit("backend/local/remove.ts", "    await options.confirm();\n", "")],
  },
  {
    name: "no re-check before removal, in a bucket",
    breaks: "I2: a copy that vouches may be gone by then",
    edits: [edit("backend/bucket/remove.ts", "      await options.confirm();\n", "")],
  },
  {
    name: "witnesses counted twice: one location",
    breaks: "I2: two names in one location vouch as two copies",
    edits: [
      edit("apply/removal.ts", "    if (proofs.some(({ ref }) => ref.location === witness.location)) continue;\n", ""),
      edit("apply/removal.ts", "    places.size === proofs.length && places.size >= action.required,\n", "    true,\n"),
    ],
  },
  {
    name: "witnesses counted twice: hard links",
    breaks: "I2: two names of one file vouch as two copies",
    edits: [
      edit(
        "apply/removal.ts",
        "proofs.find((proof) => isSameFile(proof.entry, found))",
        "undefined as Proof | undefined",
      ),
    ],
  },
  {
    name: "witnesses counted twice: the same bucket twice",
    breaks: "I2: a file vouches for itself, under the name of another location",
    edits: [
      edit(
        "apply/same-place.ts",
        "    problem: (location) => problems.get(location),",
        "    problem: () => undefined,",
      ),
    ],
  },
  {
    name: "lock trusted",
    breaks: "I7: who holds the lock believes that nobody else changes anything",
    edits: [
      edit(
        "apply/removal.ts",
        "    if (now?.version === entry.version) continue;\n",
        "    if (entry.version) continue;\n",
      ),
    ],
  },
  {
    name: "wrong keeper order",
    breaks: "I2: two machines keep each the copy that the other removes",
    edits: [
      edit(
        "plan/veto.ts",
        "[...content.unwanted.keys()].sort(byConfigOrder)",
        "[...content.unwanted.keys()].sort((a, b) => (content.unwanted.size % 2 ? byConfigOrder(b, a) : byConfigOrder(a, b)))",
      ),
      edit("plan/presence.ts", "if (at < own || survives)", "if (at !== own || survives)"),
    ],
  },
  {
    name: "version token taken for a hash",
    breaks: "S1, I4: an unchanged ETag counts as proof of the bytes",
    edits: [
      edit(
        "apply/observe.ts",
        '  const computed = needed === "checksum" && entry.sha256 === sha256;\n',
        '  const computed = entry.version !== "";\n',
      ),
    ],
  },
  {
    name: "claim taken for a hash",
    breaks: "S1, I4: what the metadata of an object say counts as proof of the bytes",
    edits: [edit("apply/observe.ts", "entry.sha256 === sha256;\n", "(entry.sha256 ?? entry.claim) === sha256;\n")],
  },
  {
    name: "partial listing taken for whole",
    breaks: "I5: what could not be listed is taken for not being there",
    edits: [edit("backend/local/list.ts", "return [];\n    throw error;\n", "return [];\n    return [];\n")],
  },
  {
    name: "412 after a retry taken for failure",
    breaks: "I6: a refusal is believed without looking who was there first",
    edits: [
      edit(
        "backend/bucket/publish.ts",
        "    if (there && isOf(there, upload)) return there;\n",
        '    if (there && isOf(there, upload) && code !== "PRECONDITION") return there;\n',
      ),
    ],
  },
  {
    name: "error of a link taken for failure",
    breaks: "I6: a link that was made is taken for one that somebody else made",
    edits: [
      edit(
        "backend/local/publish.ts",
        "    if (own && there && own.ino === there.ino && own.dev === there.dev) return true;\n",
        "",
      ),
    ],
  },
  {
    name: "purge without re-verify",
    breaks: "I4: what came into the trash in place of the verified file is deleted with it",
    edits: [
      edit(
        "backend/local/remove.ts",
        "  try {\n    secured = await requireSame(disk, key, away.path, verified);\n",
        "  try {\n    secured = verified;\n",
      ),
      edit(
        "backend/local/remove.ts",
        '    await disk.step("confirmed");\n    await requireSame(disk, key, away.path, verified);\n',
        '    await disk.step("confirmed");\n',
      ),
    ],
  },
  {
    name: "purge of what was never confirmed",
    breaks: "I1: what a killed run was removing is deleted, although nobody has looked whether it is the last",
    edits: [
      edit("apply/gc.ts", "if (leftover.unfinished || !isOver(", "if (!isOver("),
      edit(
        "apply/gc.ts",
        "if (leftover.unfinished && isOver(leftover)) unfinished",
        "if (leftover.dead && leftover.unfinished && isOver(leftover)) unfinished",
      ),
      edit(
        "apply/apply.ts",
        "      await restoreRecent(options.state, backends, (event) => options.onEvent?.(event));\n",
        "",
      ),
    ],
  },
  {
    name: "trash as old as its run says",
    breaks: "I7: a clock that was weeks behind shortens the time of the trash",
    edits: [
      edit(
        "backend/local/leftovers.ts",
        "Math.max(runTime(run), milliseconds(found.ctimeNs), milliseconds(stat.ctimeNs))",
        "runTime(run)",
      ),
    ],
  },
  {
    name: "damaged bytes removed like good ones",
    breaks: "I4: bytes with another hash are removed",
    edits: [
      edit("apply/removal.ts", "    if (!(await isContent(task, entry))) throw noteRot(task, action.from);\n", ""),
    ],
  },
];
