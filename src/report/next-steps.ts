/** What to do about the codes of blocked items, of failed checks and of what a run could not do; `{again}` is how to go on then. */
const STEPS: Record<string, string> = {
  suspect:
    "run `stowage scan`, which tells what is wrong, and how to accept what is there now; before that, `stowage init` if it is new, or connect or mount it.",
  unidentified: "make it readable, or have it read with `stowage scan --hash all`, and plan again.",
  conflict: "rename or remove what is in the way; between two files, `on_conflict:` on the rule decides.",
  unresolved: "give the placeholder a fallback, such as {project|unsorted}.",
  "unsupported-name": "rename the file; nothing is ever renamed silently.",
  capacity: "make room there, or raise its `capacity:` in storage.yaml.",
  require: "add a location that copies may be placed in, or lower the requirement.",
  "destination-offline": "bring it back (`status: active`), or choose another destination.",
  "destination-draining": "choose another destination, or set `status: active`.",
  "destination-retired": "choose another destination.",
  "destination-read-only": "choose another destination, or remove `read_only`.",
  archived: "restore it, then run `stowage scan` and plan again.",
  "append-only": "`stowage location check` shows what its store honours.",
  "no-good-copy": "restore it from a backup of your own, then scan.",
  max_delete: "if this is meant, raise safety.max_delete, or apply a part of it with --target.",
  converges: "change one of the rules that fight; `stowage explain ADDRESS` shows what each wants.",
  min_copies: "this is a fault in stowage and nothing was done; please report the plan.",
  PRECONDITION: "run `stowage plan` again: the file is not as it was when the plan was made.",
  NOT_FOUND: "run `stowage plan` again: the file is gone.",
  UNAVAILABLE: "connect or mount the storage and {again}; what was done stays done.",
  ACCESS_DENIED: "give this user the permission and {again}; what was done stays done.",
  READ_ONLY: "mount it for writing, or write `read_only: true` at that location, and plan again.",
  OUT_OF_SPACE: "make room and {again}; what was done stays done.",
  UNSUPPORTED_NAME: "rename the file, and plan again.",
  APPEND_ONLY:
    "`stowage location check` tells what the store does not honour; `allow_unconditional_delete: true` is the owner's word that it is fine.",
  ARCHIVED: "restore the object with the store's own tools, and {again}.",
  READ_BACK: "check the network and the store; what was written was taken away again.",
  CORRUPT: "check the disk or the network; the bad copy was not published.",
  LOCATION_SUSPECT: "connect or mount it and plan again; `stowage location check` tells what is wrong with it.",
  TOO_FEW_COPIES: "run `stowage plan` again: a copy that the plan relied on is gone or damaged.",
  SOURCE: "run `stowage plan` again: no good copy could be read.",
  NO_TRASH: "make the trash of that location writable, and {again}.",
  SAME_STORAGE: "look at how the two are mounted: they share a folder, or the disk takes two names for one.",
  LOCK_LOST: "wait until the other run has finished, then plan again.",
  ABORTED: "run it again to go on.",
  CLAIM: "run `stowage verify LOCATION --claimed`, and plan again.",
  ROT: "`stowage verify --repair -o repair.ndjson` plans a good copy in its place.",
};

/**
 * The next step for a code, as a sentence; undefined where the reason says it all. A plan that is `open` can be applied again,
 * any other is used up: what is left of it needs a new one.
 */
export function nextStep(code: string, { open = false } = {}): string | undefined {
  const step = STEPS[code]?.replace("{again}", open ? "run it again" : "plan again");
  return step && step.charAt(0).toUpperCase() + step.slice(1);
}
