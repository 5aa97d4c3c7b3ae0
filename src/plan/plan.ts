/** The order of kinds in a summary, and their marks in text. */
export type ActionKind = "copy" | "move" | "delete" | "verify";

/** A plan file: header, actions in execution order, footer. Inert: applying decides nothing. */
export interface Plan {
  header: PlanHeader;
  actions: Action[];
  footer: PlanFooter;
}

export interface PlanHeader {
  type: "plan";
  format_version: "1.0";
  stowage_version: string;
  /** Derived from the content of the whole plan: `p-<16 hex>`. */
  plan_id: string;
  config: { digest: string; commit: string | null };
  /** ISO 8601, UTC. `plan_ttl` counts from here. */
  created_at: string;
  evaluated_at: string;
  /** Milliseconds. */
  plan_ttl: number;
  applyable: boolean;
  safety: { min_copies: number; verify: "content" | "checksum"; trash: number };
  /** The scans that the plan was made from, one per location in config order. */
  scans: PlanScan[];
}

export interface PlanScan {
  location: string;
  type: string;
  root: string;
  priority: number;
  /** The marker's UUID; apply touches the location only when it still reads the same. */
  uuid: string | null;
  /** When the scan was made, by the clock of that run; ISO 8601. */
  at: string | null;
  status: "complete" | "partial" | "suspect" | "offline" | "never";
  files: number;
  bytes: number;
}

export interface Ref {
  location: string;
  key: string;
}

export interface Source extends Ref {
  /** The version that apply must find there. */
  version: string;
  /** Its content is only claimed by metadata (S1): other bytes are no damage. */
  claimed?: true;
}

export interface Target extends Ref {
  /** `absent`: nothing may be there. Otherwise the version of an instance that already holds the content. */
  expect: string;
  claimed?: true;
}

/** Another copy of the content. `version: null` = it is made by an earlier action of this plan. */
export interface Witness extends Ref {
  version: string | null;
  claimed?: true;
}

export type Reason = "rule" | "default" | "require" | "conflict" | "due" | "repair" | "rot";

export interface Action {
  type: "action";
  /** `a1`, `a2`, … in execution order. */
  id: string;
  kind: ActionKind;
  rule: { name: string; line: number };
  reason: Reason;
  /** `sha256:<hex>` */
  content: string;
  size: number;
  /** What is copied, moved away, deleted or verified. */
  from: Source;
  /** Where to; null for delete and verify. */
  to: Target | null;
  /**
   * For a copy and a move: other instances to read the content from. For a removal: the copies that apply re-verifies before, highest
   * in the order of I2 first; the target of a move is among them.
   */
  witnesses: Witness[];
  /** Ids of the actions that must have succeeded before. */
  depends_on: string[];
  /** Verified copies of the content in distinct locations, before and after this action. */
  copies: { before: number; after: number };
  /** How many verified witnesses the removal needs: min(min_copies, what it had); 0 only by `allow_last_copy` or for a conflict loser. */
  required: number;
  /** To transfer. */
  bytes: number;
}

export interface PlanFooter {
  type: "end";
  summary: Summary;
  blocked: Blocked[];
  kept: Kept[];
  conflicts: Conflict[];
  drift: Drift[];
  checks: Check[];
  capacity: CapacityForecast[];
  proof: Proof;
  /** `sha256:<hex>` of all bytes before this line. */
  digest: string;
}

export interface Summary {
  copy: number;
  move: number;
  delete: number;
  verify: number;
  blocked: number;
  kept: number;
  /** To transfer. */
  bytes: number;
  /** Instances and locations that were looked at, for "No changes. … match". */
  files: number;
  locations: number;
}

/** Something the rules want that this plan does not do. Blocks nothing else. */
export interface Blocked {
  address: string;
  rule: string;
  code: string;
  reason: string;
}

/** Something the rules do not want that stays all the same, for a good reason: no change and no block. */
export interface Kept {
  address: string;
  rule: string;
  code: string;
  reason: string;
}

export interface Conflict {
  /** The contested `location:key`. */
  address: string;
  strategy: string;
  /** `blocked`, or what the strategy decided. */
  outcome: string;
  claimants: { address: string; content: string }[];
  occupant: { content: string } | null;
}

export interface Drift {
  address: string;
  kind: "missing" | "changed" | "rot";
  detail: string;
}

export interface Check {
  name: string;
  status: "pass" | "warn" | "fail";
  problems: string[];
}

export interface CapacityForecast {
  location: string;
  before: number;
  peak: number;
  after: number;
  limit: number | null;
}

export interface Proof {
  min_copies: number;
  /** The lowest number of verified copies that any content of this plan has after any step; null without actions. */
  floor: number | null;
  /** True when planning again after this plan gives an empty plan. False with `applyable`: what is blocked now can be done then. */
  converges: boolean;
}
