import { createHash } from "node:crypto";
import { DuckDBDataChunk, DuckDBInstance } from "@duckdb/node-api";
import { packed } from "../dist/catalog/sql.js";

/** `node bench/ingest.js [ROWS] [ROUNDS]`: ways for what threads have read to get into DuckDB, in turn; seconds of wall time and of CPU, and ratios to the way that scans take. */
const [ROWS, ROUNDS] = [Number(process.argv[2] ?? 1_000_000), Number(process.argv[3] ?? 5)];
/** As many as threads send at a time. */
const BATCH = 10_000;

const hex = (n) => createHash("sha256").update(String(n)).digest("hex");
const keyOf = (n) => `project-${Math.floor(n / 2000)}/set-${Math.floor(n / 100) % 20}/file-${n}.jpg`;
const versionOf = (n) => `${n % 9000}:${1_700_000_000_000_000_000n + BigInt(n)}:${n}:7`;

/** One text a column, as threads send them. */
const texts = [];
/** Keys and versions in a text each, numbers and hashes in typed arrays, which can be handed over. */
const typed = [];
for (let from = 0; from < ROWS; from += BATCH) {
  const rows = Array.from({ length: Math.min(BATCH, ROWS - from) }, (_, n) => from + n);
  const [key, version] = [rows.map(keyOf).join("\0"), rows.map(versionOf).join("\0")];
  const [size, sha256] = [rows.map((n) => n % 9000), rows.map(hex)];
  texts.push({
    key,
    version,
    size: size.join("\0"),
    mtime: rows.map((n) => 1_700_000_000_000_000 + n).join("\0"),
    sha256: sha256.join("\0"),
  });
  const mtime = BigInt64Array.from(rows, (n) => BigInt(1_700_000_000_000_000 + n));
  typed.push({
    key,
    version,
    size: BigInt64Array.from(size, BigInt),
    mtime,
    sha256: Buffer.from(sha256.join(""), "hex"),
  });
}

const TABLE = "CREATE OR REPLACE TABLE t (key VARCHAR, version VARCHAR, size BIGINT, mtime BIGINT, sha256";

const WAYS = {
  "text, split by DuckDB": async (connection) => {
    await connection.run(`${TABLE} VARCHAR)`);
    for (const { key, version, size, mtime, sha256 } of texts) {
      const numbers = { size: { text: size, type: "BIGINT" }, mtime: { text: mtime, type: "BIGINT" } };
      const { text, values } = packed({
        key: { text: key },
        version: { text: version },
        ...numbers,
        sha256: { text: sha256 },
      });
      await connection.run(`INSERT INTO t SELECT * FROM ${text}`, [...values]);
    }
  },
  "typed arrays, appended chunk by chunk": async (connection) => {
    await connection.run(`${TABLE} BLOB)`);
    const appender = await connection.createAppender("t");
    const types = [0, 1, 2, 3, 4].map((n) => appender.columnType(n));
    for (const { key, version, size, mtime, sha256 } of typed) {
      const [keys, versions] = [key.split("\0"), version.split("\0")];
      for (let from = 0; from < keys.length; from += 2048) {
        const to = Math.min(keys.length, from + 2048);
        const chunk = DuckDBDataChunk.create(types, to - from);
        const hashes = Array.from({ length: to - from }, (_, n) =>
          sha256.subarray(32 * (from + n), 32 * (from + n) + 32),
        );
        const columns = [keys, versions, size, mtime].map((column) => Array.from(column.slice(from, to)));
        chunk.setColumns([...columns, hashes.map((bytes) => ({ bytes }))]);
        appender.appendDataChunk(chunk);
      }
    }
    appender.flushSync();
    appender.closeSync();
  },
  "typed arrays, appended row by row": async (connection) => {
    await connection.run(`${TABLE} BLOB)`);
    const appender = await connection.createAppender("t");
    for (const { key, version, size, mtime, sha256 } of typed) {
      const [keys, versions] = [key.split("\0"), version.split("\0")];
      for (let n = 0; n < keys.length; n += 1) {
        appender.appendVarchar(keys[n]);
        appender.appendVarchar(versions[n]);
        appender.appendBigInt(size[n]);
        appender.appendBigInt(mtime[n]);
        appender.appendBlob(sha256.subarray(32 * n, 32 * n + 32));
        appender.endRow();
      }
    }
    appender.flushSync();
    appender.closeSync();
  },
};

const instance = await DuckDBInstance.create(":memory:", { threads: "2" });
const connection = await instance.connect();
const runs = new Map(Object.keys(WAYS).map((way) => [way, []]));
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [way, fill] of Object.entries(WAYS)) {
    const [started, before] = [performance.now(), process.cpuUsage()];
    await fill(connection);
    const { user, system } = process.cpuUsage(before);
    runs.get(way).push({ wall: (performance.now() - started) / 1000, cpu: (user + system) / 1e6 });
    const [[rows, keys]] = (await connection.runAndReadAll("SELECT count(*), count(DISTINCT key) FROM t")).getRows();
    if (Number(rows) !== ROWS || Number(keys) !== ROWS) throw new Error(`${way}: ${rows} rows`);
  }
}
const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const [ours] = runs.values();
for (const [way, measured] of runs) {
  const [wall, cpu] = ["wall", "cpu"].map((of) => median(measured.map((run) => run[of])));
  const [wallRatio, cpuRatio] = [wall / median(ours.map((run) => run.wall)), cpu / median(ours.map((run) => run.cpu))];
  console.log(
    `${way.padEnd(40)} ${wall.toFixed(2)} s, CPU ${cpu.toFixed(2)} s   ratio ${wallRatio.toFixed(2)}, CPU ${cpuRatio.toFixed(2)}`,
  );
}
