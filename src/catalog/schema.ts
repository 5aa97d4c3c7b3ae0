import { sha256Hex } from "../lib/json.js";

/**
 * The catalog's tables. It is a cache: when `SCHEMA_VERSION` differs the file is deleted and scanning rebuilds it.
 *
 * `file_locations` has one row per instance. `state`:
 * - `present`   seen by the last scan of its location; `sha256` NULL = content not known (never counted)
 * - `settling`  younger than `settings.settle`: exists, but nothing is done with it
 * - `missing`   gone without our doing; kept for `status` and `drift` until it is back or forgotten by `gc`
 * - `rot`       same version token, other bytes: quarantined until repaired
 * `proof` says how the hash is known: `content` (read by us), `checksum` (the store computed one over the whole object that goes with it),
 * `claim` (noted by who wrote it); a claim is never counted as a copy (S1). `archived` = can not be read before it is restored, and how.
 * An unchanged row is not rewritten: `last_seen` of a present row is when it was last written, and its location's last complete
 * scan saw it too. `storage_locations.suspect` says why nothing may rely on a location (NULL = it is fine); `accepted` lets
 * the next complete scan shrink it. `plan_decisions` has what the last plan decided of each file, which is named by a hash of its address: for questions only.
 * `directories` lets a scan pass over directories that look as they did. `others` has the names of what is neither a file nor a directory (symbolic links,
 * pipes, sockets, devices), as the last complete scan found it: no file can be put there. What \`copies\` counts is at most too much, where some of three
 * or more locations share a file by hard links and another has several: \`whereis\` and \`find\` count as the planner does.
 */
export const SCHEMA = `
CREATE TABLE meta (name VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);
CREATE SEQUENCE scan_ids;
CREATE TABLE storage_locations (
  name VARCHAR PRIMARY KEY, type VARCHAR NOT NULL, root VARCHAR NOT NULL, uuid VARCHAR, identity VARCHAR,
  status VARCHAR NOT NULL, priority INTEGER NOT NULL, purpose VARCHAR[] NOT NULL, domain VARCHAR NOT NULL,
  read_only BOOLEAN NOT NULL, layout VARCHAR, features VARCHAR,
  total_bytes BIGINT, free_bytes BIGINT,
  suspect VARCHAR, accepted BOOLEAN NOT NULL DEFAULT false,
  last_scan BIGINT, last_complete_scan BIGINT, listing VARCHAR
);
CREATE TABLE directories (location VARCHAR NOT NULL, dir VARCHAR NOT NULL, digest VARCHAR NOT NULL);
CREATE TABLE others (location VARCHAR NOT NULL, key VARCHAR NOT NULL);
CREATE TABLE file_locations ( -- What is different in every row takes time to be compressed, and is no smaller for it.
  location VARCHAR NOT NULL, key VARCHAR NOT NULL USING COMPRESSION uncompressed, norm_key VARCHAR NOT NULL USING COMPRESSION uncompressed,
  sha256 VARCHAR USING COMPRESSION uncompressed, size BIGINT NOT NULL, mtime TIMESTAMP_NS NOT NULL, accessed TIMESTAMP,
  version VARCHAR NOT NULL USING COMPRESSION uncompressed, physical VARCHAR, state VARCHAR NOT NULL, proof VARCHAR, storage_class VARCHAR, archived VARCHAR,
  first_seen TIMESTAMP NOT NULL, last_seen TIMESTAMP NOT NULL, last_verified TIMESTAMP,
  media_type VARCHAR, mime VARCHAR, project VARCHAR, attrs VARCHAR, tags VARCHAR[], stars DOUBLE
);
CREATE TABLE scans (
  id BIGINT PRIMARY KEY, location VARCHAR NOT NULL, started_at TIMESTAMP NOT NULL, finished_at TIMESTAMP,
  status VARCHAR NOT NULL,
  files BIGINT NOT NULL, bytes BIGINT NOT NULL, hashed BIGINT NOT NULL, hashed_bytes BIGINT NOT NULL,
  added BIGINT NOT NULL, changed BIGINT NOT NULL, missing BIGINT NOT NULL, settling BIGINT NOT NULL, skipped BIGINT NOT NULL
);
CREATE TABLE scan_problems (scan BIGINT NOT NULL, location VARCHAR NOT NULL, key VARCHAR NOT NULL, code VARCHAR NOT NULL, message VARCHAR NOT NULL);
CREATE TABLE plan_rules (number INTEGER NOT NULL, rule VARCHAR NOT NULL, decision VARCHAR NOT NULL);
CREATE TABLE plan_decisions (file UBIGINT NOT NULL, number INTEGER NOT NULL);
CREATE TABLE plan_actions (
  id VARCHAR NOT NULL, kind VARCHAR NOT NULL, rule VARCHAR NOT NULL, reason VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, size BIGINT NOT NULL,
  from_location VARCHAR, from_key VARCHAR, to_location VARCHAR, to_key VARCHAR, bytes BIGINT NOT NULL
);
CREATE TABLE plan_blocked (location VARCHAR NOT NULL, key VARCHAR NOT NULL, rule VARCHAR NOT NULL, code VARCHAR NOT NULL, reason VARCHAR NOT NULL);
CREATE TABLE plan_pending (sha256 VARCHAR NOT NULL, reason VARCHAR NOT NULL);
CREATE TABLE runs (
  run VARCHAR PRIMARY KEY, plan_id VARCHAR NOT NULL, started_at TIMESTAMP NOT NULL, finished_at TIMESTAMP, status VARCHAR NOT NULL,
  copied BIGINT NOT NULL, moved BIGINT NOT NULL, deleted BIGINT NOT NULL, verified BIGINT NOT NULL, failed BIGINT NOT NULL, skipped BIGINT NOT NULL, bytes BIGINT NOT NULL
);

CREATE VIEW rule_evaluations AS
  SELECT f.location, f.key, r.rule, r.decision FROM file_locations f
  JOIN plan_decisions d ON d.file = hash(f.location, f.key) JOIN plan_rules r ON r.number = d.number WHERE f.state = 'present';
CREATE VIEW countable AS
  SELECT f.* FROM file_locations f JOIN storage_locations l ON l.name = f.location
  WHERE f.state = 'present' AND f.sha256 IS NOT NULL AND f.proof IS DISTINCT FROM 'claim' AND l.status = 'active' AND l.suspect IS NULL;
CREATE VIEW contents AS
  SELECT f.sha256, any_value(f.size) AS size, count(*) AS instances, count(DISTINCT f.location) AS locations, min(f.mtime) AS oldest, max(f.mtime) AS newest
  FROM file_locations f WHERE f.state = 'present' AND f.sha256 IS NOT NULL GROUP BY f.sha256;
CREATE VIEW copies AS
  SELECT sha256, least(count(DISTINCT location), count(DISTINCT coalesce(physical, location || ':'))) AS copies,
    least(count(DISTINCT domain), count(DISTINCT coalesce(physical, location || ':'))) AS domains, list(DISTINCT location ORDER BY location) AS locations
  FROM (SELECT c.sha256, c.location, c.physical, l.domain FROM countable c JOIN storage_locations l ON l.name = c.location) GROUP BY sha256;
CREATE VIEW dupes AS
  SELECT sha256, any_value(size) AS size, location, count(*) AS names, count(DISTINCT coalesce(physical, key)) AS stored, list(key ORDER BY key) AS keys
  FROM file_locations WHERE state = 'present' AND sha256 IS NOT NULL GROUP BY sha256, location HAVING count(*) > 1;
CREATE VIEW sync_status AS
  WITH doing AS (
    SELECT sha256, bool_or(bytes > 0) AS uploads, bool_or(reason = 'conflict' OR bytes = 0) AS updates FROM plan_actions GROUP BY sha256
  ), replaced AS (
    SELECT DISTINCT w.sha256 FROM plan_actions w JOIN plan_actions l
      ON l.reason = 'conflict' AND l.from_location = w.to_location AND l.from_key = w.to_key
  ), contested AS (
    SELECT location, key, any_value(reason) AS reason FROM plan_blocked WHERE code IN ('conflict', 'swap') GROUP BY location, key
  ), suspects AS (
    SELECT location, any_value(reason) AS reason FROM plan_blocked WHERE code = 'suspect' AND key = '-' AND rule = '-' GROUP BY location
  ), pending AS (
    SELECT sha256, min(reason) AS reason FROM plan_pending GROUP BY sha256
  )
  SELECT f.location, f.key, f.sha256, f.size,
    CASE WHEN f.state = 'missing' THEN 'missing'
      WHEN f.state = 'rot' OR c.key IS NOT NULL THEN 'conflict'
      WHEN l.name IS NOT NULL THEN 'offline'
      WHEN s.location IS NOT NULL THEN 'suspect'
      WHEN r.sha256 IS NOT NULL THEN 'pending update'
      WHEN d.uploads THEN 'pending upload'
      WHEN p.sha256 IS NOT NULL THEN 'pending upload'
      WHEN d.updates THEN 'pending update'
      ELSE 'synced' END AS status,
    CASE WHEN f.state = 'rot' THEN 'damaged' ELSE coalesce(c.reason, 'status: ' || l.status, s.reason, p.reason) END AS detail
  FROM file_locations f
  LEFT JOIN contested c ON c.location = f.location AND c.key = f.key
  LEFT JOIN suspects s ON s.location = f.location AND f.state = 'present'
  LEFT JOIN storage_locations l ON l.name = f.location AND l.status IN ('offline', 'retired') AND f.state = 'present'
  LEFT JOIN doing d ON d.sha256 = f.sha256 AND f.state = 'present'
  LEFT JOIN pending p ON p.sha256 = f.sha256 AND f.state = 'present'
  LEFT JOIN replaced r ON r.sha256 = f.sha256 AND f.state = 'present'
  WHERE f.state <> 'settling';
`;

/** Differs as soon as anything above does: an old catalog is never read with new eyes. */
export const SCHEMA_VERSION = sha256Hex(SCHEMA).slice(0, 12);
