/**
 * stowage as a library: what the commands do, as functions with progress callbacks. Nothing here reads `process.argv` or
 * prints; time and environment are passed in. Errors are `StowageError`s with a stable `code`.
 *
 * The order of the loop: `loadConfig`, `openCatalog`, `openBackends`, `scan`, `plan`, `apply`, `recordRun`.
 */

export { type ApplyOptions, apply } from "./apply/apply.js";
export type { BudgetOptions } from "./apply/budget.js";
export type { ApplyEvent, Outcome, OutcomeKind, RunReport, RunStatus } from "./apply/events.js";
export { type GcOptions, type GcReport, gc } from "./apply/gc.js";
export { mirroredJournals } from "./apply/journal-mirror.js";
export { expectedUuids, type RunSummary, readJournal, readRuns } from "./apply/journal-read.js";
export { type JournalsCheck, verifyJournals } from "./apply/journal-verify.js";
export { type LockHolder, lockHolder, unlock } from "./apply/lock.js";
export type { SharedHolder } from "./apply/lock-note.js";
export { sharedHolder, unlockShared } from "./apply/lock-shared.js";
export { recordRun, unrecordedRemovals } from "./apply/record.js";
export type { Backend, Entry, Features, Leftover, StoreFeatures, StoreObject, WriteSource } from "./backend/backend.js";
export { type BucketOptions, bucketBackend } from "./backend/bucket.js";
export { type OpenAllOptions, type OpenOptions, openBackend, openBackends } from "./backend/open.js";
export { type PluginBackend, type PluginLocation, type PluginTools, pluginTools } from "./backend/plugin.js";
export { openRequests, type Requests, type RequestsOptions, unavailable } from "./backend/requests.js";
export type { Register, Shelf } from "./backend/shared.js";
export type { Condition, ObjectStore, ReadRequest, Stored, Upload } from "./backend/store.js";
export { type Catalog, type CatalogOptions, openCatalog } from "./catalog/catalog.js";
export { type Sql, sql } from "./catalog/sql.js";
export type * from "./config/config.js";
export { formatConfig } from "./config/format.js";
export { type CheckResult, checkConfig, checkText, type LoadOptions, loadConfig } from "./config/load.js";
export { compileMatch } from "./config/match.js";
export { ExitCode, StowageError } from "./lib/error.js";
export { type Explanation, explain } from "./plan/explain.js";
export { readPlan } from "./plan/file.js";
export { type Found, find } from "./plan/find.js";
export { lint } from "./plan/lint.js";
export type * from "./plan/plan.js";
export { type PlanOptions, plan } from "./plan/planner.js";
export { repairPlan } from "./plan/repair.js";
export { planText } from "./plan/seal.js";
export { fileStates, type Status, status } from "./plan/status.js";
export { planLines, renderPlan } from "./report/text.js";
export { checkLocations, type LocationCheck } from "./scan/check.js";
export { type InitOptions, type InitResult, initLocation } from "./scan/init.js";
export { type ScanEvent, type ScanOptions, type ScanReport, scan } from "./scan/scan.js";
export { type VerifyEvent, type VerifyOptions, type VerifyReport, verify } from "./scan/verify.js";
