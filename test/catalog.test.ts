import { execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Catalog, openCatalog } from "../src/catalog/catalog.js";
import { loadDuckDB } from "../src/catalog/decoder.js";
import { recordGone, recordPresent } from "../src/catalog/entries.js";
import { EARLIEST, LATEST } from "../src/catalog/mtime.js";
import { column, packed, sql } from "../src/catalog/sql.js";
import { CLOCK, DAY, openPlaces, type Places } from "./support/places.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "stowage-catalog-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** A DuckDB file with nothing of ours in it. */
async function emptyDatabase(file: string, ...statements: string[]): Promise<void> {
  const { DuckDBInstance } = await loadDuckDB();
  const instance = await DuckDBInstance.create(file);
  const connection = await instance.connect();
  for (const statement of statements) await connection.run(statement);
  connection.closeSync();
  instance.closeSync();
}

describe("memory", () => {
  it("what does not fit is laid out beside the catalog, and nothing is left of it, also not of a process that was killed", async () => {
    const file = join(dir, "catalog.duckdb");
    await (await openCatalog(file)).close();
    mkdirSync(`${file}.tmp-dead`);
    writeFileSync(`${file}.tmp-dead/duckdb_temp_storage-0.tmp`, "left");
    const catalog = await openCatalog(file, { memory: 64 * 2 ** 20 });
    const row = await catalog.row(
      sql<{ n: number }>`SELECT count(*) AS n FROM (SELECT DISTINCT sha256(n::VARCHAR) FROM range(1500000) r(n))`,
    );
    expect(row?.n).toBe(1_500_000);
    await catalog.close();
    expect(readdirSync(dir)).toEqual(["catalog.duckdb"]);
  });

  it("a reader leaves alone what others have laid out", async () => {
    const file = join(dir, "catalog.duckdb");
    await (await openCatalog(file)).close();
    mkdirSync(`${file}.tmp-other`);
    await (await openCatalog(file, { readOnly: true })).close();
    expect(existsSync(`${file}.tmp-other`)).toBe(true);
  });
});

describe("the catalog is a cache", () => {
  it.each([
    { name: "garbage", bytes: Buffer.from("this is not a database, whatever it says it is".repeat(300)) },
    { name: "an empty file", bytes: Buffer.alloc(0) },
  ])("$name in its place is thrown away and said so", async ({ bytes }) => {
    const file = join(dir, "catalog.duckdb");
    writeFileSync(file, bytes);
    const reasons: string[] = [];
    const catalog = await openCatalog(file, { onRebuild: (reason) => reasons.push(reason) });
    expect(await catalog.rows(sql`SELECT * FROM file_locations`)).toEqual([]);
    await catalog.close();
    expect(reasons).toHaveLength(1);
  });

  it("one of another schema is made anew", async () => {
    const file = join(dir, "catalog.duckdb");
    const old = await openCatalog(file);
    await old.run(sql`UPDATE meta SET value = '0' WHERE name = 'schema_version'`);
    await old.close();
    const reasons: string[] = [];
    const catalog = await openCatalog(file, { onRebuild: (reason) => reasons.push(reason) });
    expect(reasons[0]).toMatch(/schema/);
    await catalog.close();
  });

  it("one whose maker was killed before there was a table in it is no catalog, and nothing to tell of", async () => {
    const file = join(dir, "catalog.duckdb");
    await emptyDatabase(file);
    await expect(openCatalog(file, { readOnly: true })).rejects.toMatchObject({ code: "NO_CATALOG" });
    const catalog = await openCatalog(file, { onRebuild: (reason) => expect.unreachable(reason) });
    expect(await catalog.rows(sql`SELECT * FROM file_locations`)).toEqual([]);
    await catalog.close();
  });

  it("one without a version is made anew, and what is said of it is no SQL", async () => {
    const file = join(dir, "catalog.duckdb");
    await emptyDatabase(file, "CREATE TABLE other (n INTEGER)");
    await expect(openCatalog(file, { readOnly: true })).rejects.toMatchObject({ code: "CATALOG_UNREADABLE" });
    const reasons: string[] = [];
    const catalog = await openCatalog(file, { onRebuild: (reason) => reasons.push(reason) });
    await catalog.close();
    expect(reasons).toEqual([expect.stringMatching(/^the catalog has schema unknown, not \w+$/)]);
  });

  it("read-only it is never touched: none is NO_CATALOG, garbage CATALOG_UNREADABLE", async () => {
    const file = join(dir, "catalog.duckdb");
    await expect(openCatalog(file, { readOnly: true })).rejects.toMatchObject({ code: "NO_CATALOG" });
    expect(existsSync(file)).toBe(false);
    writeFileSync(file, "garbage");
    await expect(openCatalog(file, { readOnly: true })).rejects.toMatchObject({ code: "CATALOG_UNREADABLE" });
    expect(existsSync(file)).toBe(true);
  });

  it("a file without a byte is told in stowage's words, to readers and to writers", async () => {
    const file = join(dir, "catalog.duckdb");
    writeFileSync(file, "");
    const unreadable = {
      code: "CATALOG_UNREADABLE",
      message: "the catalog can not be read: its file is empty (0 bytes)",
    };
    await expect(openCatalog(file, { readOnly: true })).rejects.toMatchObject(unreadable);
    const reasons: string[] = [];
    await (await openCatalog(file, { onRebuild: (reason) => reasons.push(reason) })).close();
    expect(reasons).toEqual(["its file is empty (0 bytes)"]);
  });

  it("in use by another process it is CATALOG_LOCKED with its pid and exit 7, and not thrown away", async () => {
    const file = join(dir, "catalog.duckdb");
    const dist = new URL("../dist/catalog/catalog.js", import.meta.url).href;
    const script = `const { openCatalog } = await import("${dist}"); await openCatalog("${file}"); console.log("open"); setInterval(() => {}, 1e6);`;
    const other = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => other.stdout.once("data", resolve));
    try {
      await expect(openCatalog(file)).rejects.toMatchObject({
        code: "CATALOG_LOCKED",
        exit: 7,
        message: expect.stringContaining(`${other.pid}`),
      });
    } finally {
      other.kill("SIGKILL");
      await new Promise((resolve) => other.once("exit", resolve));
    }
    const catalog = await openCatalog(file, { onRebuild: (reason) => expect.unreachable(reason) });
    await catalog.close();
  });

  it("SQL in it reaches no file outside", async () => {
    const catalog = await openCatalog(join(dir, "catalog.duckdb"));
    const secret = join(dir, "secret.csv");
    writeFileSync(secret, "a,b\n1,2\n");
    for (const text of [
      `SELECT * FROM read_csv('${secret}')`,
      `ATTACH '${dir}/x.db'`,
      "SET enable_external_access = true",
    ]) {
      await expect(catalog.rows({ text, values: [] })).rejects.toThrow();
    }
    await catalog.close();
  });

  it("a stream survives other statements while it runs", async () => {
    const catalog = await openCatalog(join(dir, "catalog.duckdb"));
    let rows = 0;
    for await (const { n } of catalog.stream(sql<{ n: number }>`SELECT range AS n FROM range(50000)`)) {
      rows++;
      if (n % 5_000 === 0) await catalog.rows(sql`SELECT 1`);
    }
    expect(rows).toBe(50_000);
    await catalog.close();
  });
});

describe("what a run did", () => {
  let places: Places;
  let catalog: Catalog;
  beforeEach(async () => {
    places = await openPlaces({ a: {}, b: { layout: { text: "", re2: "([^/]*)/.*", captures: ["project"] } } });
    places.put("a:x.png", Buffer.from("\x89PNG\r\n\x1a\nrest", "latin1"));
    await places.scan();
    catalog = places.catalog;
  });
  afterEach(() => places.close());

  const sha = async () => String((await places.rows("sha256"))[0]?.["sha256"]);
  const copyOf = (sha256: string) => ({
    location: "b",
    key: "acme/e\u0301.png",
    sha256,
    size: 12,
    mtime: 1_700_000_000_123_456_789n,
    version: "v1",
  });

  it("recordPresent keeps what is known of the other names of the same version, and of no other (S6)", async () => {
    places.link("a:twin.png", "a:x.png");
    await places.scan();
    const physical = async () => (await places.rows("physical")).map((row) => row["physical"]);
    const [row] = await places.rows("sha256, version, size");
    const { sha256, version, size } = row as { sha256: string; version: string; size: number };
    const known = { location: "a", key: "x.png", sha256, size: Number(size), mtime: 0n };
    const [before] = await physical();
    expect(before).toMatch(/^\d+:\d+$/);
    await recordPresent(catalog, [{ ...known, version }], CLOCK + DAY);
    expect((await physical())[1]).toBe(before);
    await recordPresent(catalog, [{ ...known, version: "another" }], CLOCK + DAY);
    expect((await physical())[1]).toBeNull();
  });

  it("recordPresent brings the time up to date also of what is the same version", async () => {
    const [row] = await places.rows("sha256, version, size");
    const { sha256, version, size } = row as { sha256: string; version: string; size: number };
    const known = { location: "a", key: "x.png", sha256, version, size: Number(size) };
    for (const mtime of [5n, 7_000_000_000n]) {
      await recordPresent(catalog, [{ ...known, mtime }], CLOCK + DAY);
      expect(await places.rows("epoch_ns(mtime)::VARCHAR AS ns")).toMatchObject([{ ns: String(mtime) }]);
    }
  });

  it("recordGone forgets the folders that may have gone with the files, and no others", async () => {
    for (const key of ["d/e/1", "d/f/2", "dd/3"]) places.put(`a:${key}`, Buffer.from(key));
    await places.scan();
    await recordGone(catalog, [{ location: "a", key: "d/e/1" }]);
    expect(await catalog.rows(sql`SELECT dir FROM directories WHERE location = 'a' ORDER BY dir`)).toEqual(
      ["", "d/f", "dd"].map((dir) => ({ dir })),
    );
  });

  it("recordPresent adds a verified copy that knows what the content is and what the layout says", async () => {
    await recordPresent(catalog, [copyOf(await sha())], CLOCK + DAY);
    const [, row] = await places.rows("*, epoch_ns(mtime)::VARCHAR AS ns");
    expect(row).toMatchObject({
      ...{
        at: "b:acme/e\u0301.png",
        norm_key: "acme/\u00e9.png",
        state: "present",
        media_type: "image",
        mime: "image/png",
        project: "acme",
      },
      ...{ ns: "1700000000123456789", first_seen: CLOCK + DAY, last_verified: CLOCK + DAY },
    });
  });

  it.each([
    ["2446", 15_032_385_535_000_000_000n],
    ["1600", -11_676_096_000_000_000_000n],
  ])("takes a time of the year %s, which it can not tell, for the last or first that it can", async (_, mtime) => {
    await recordPresent(catalog, [{ ...copyOf(await sha()), mtime }], CLOCK);
    const [, row] = await places.rows("epoch_ns(mtime)::VARCHAR AS ns, state");
    expect(row).toMatchObject({ ns: String(mtime > 0n ? LATEST : EARLIEST), state: "present" });
  });

  it("is idempotent, and time here begins anew only with another content (S11)", async () => {
    const row = copyOf(await sha());
    await recordPresent(catalog, [row], CLOCK);
    await recordPresent(catalog, [row], CLOCK + DAY);
    expect((await places.rows("first_seen, last_verified"))[1]).toMatchObject({
      first_seen: CLOCK,
      last_verified: CLOCK + DAY,
    });
    await recordPresent(catalog, [{ ...row, sha256: "f".repeat(64) }], CLOCK + 2 * DAY);
    expect((await places.rows("first_seen"))[1]).toMatchObject({ first_seen: CLOCK + 2 * DAY });
    expect(await places.rows()).toHaveLength(2);
  });

  it("keeps how each hash is known, and what a store told of the same version only (S1)", async () => {
    const row = copyOf(await sha());
    const facts = async () => (await places.rows("proof, storage_class, archived, tags, stars"))[1];
    await recordPresent(catalog, [{ ...row, proof: "checksum" }], CLOCK);
    expect(await facts()).toMatchObject({ proof: "checksum", storage_class: null });
    await catalog.run(
      sql`UPDATE file_locations SET storage_class = 'GLACIER', archived = 'cold', tags = ['x'], stars = 4, proof = 'claim' WHERE location = 'b'`,
    );
    await recordPresent(catalog, [row], CLOCK);
    const told = { storage_class: "GLACIER", archived: "cold", tags: ["x"], stars: 4 };
    expect(await facts()).toMatchObject({ proof: "content", ...told });
    await recordPresent(catalog, [{ ...row, proof: "checksum" }], CLOCK);
    expect(await facts()).toMatchObject({ proof: "content", ...told });
    await recordPresent(catalog, [{ ...row, version: "v2", proof: "checksum" }], CLOCK);
    expect(await facts()).toMatchObject({
      proof: "checksum",
      storage_class: null,
      archived: null,
      tags: null,
      stars: null,
    });
  });

  it("recordGone forgets, inside one transaction with the rest or not at all", async () => {
    const row = copyOf(await sha());
    const failing = catalog.transaction(async () => {
      await recordPresent(catalog, [row], CLOCK);
      await recordGone(catalog, [{ location: "a", key: "x.png" }]);
      throw new Error("stop");
    });
    await expect(failing).rejects.toThrow("stop");
    expect(await places.rows()).toEqual([{ at: "a:x.png", state: "present" }]);
    await recordGone(catalog, [
      { location: "a", key: "x.png" },
      { location: "a", key: "never there" },
    ]);
    expect(await places.rows()).toEqual([]);
  });

  it("takes thousands of rows", async () => {
    const sha256 = await sha();
    const rows = Array.from({ length: 12_000 }, (_, index) => ({ ...copyOf(sha256), key: `p/${index}\n'` }));
    await recordPresent(catalog, rows, CLOCK);
    expect(await catalog.row(sql`SELECT count(*) AS rows, count(DISTINCT key) AS keys FROM file_locations`)).toEqual({
      rows: 12_001,
      keys: 12_001,
    });
    await recordGone(catalog, rows);
    expect(await places.rows()).toHaveLength(1);
  });
});

it("packed rows come back as they were given, with NULL for what is not there", async () => {
  const catalog = await openCatalog(join(dir, "catalog.duckdb"));
  const rows = await catalog.rows(
    sql`SELECT * FROM ${packed({ key: column(["a\n'", "\u{1f980}", "x"]), size: column([1, undefined, 3n], "BIGINT") })}`,
  );
  expect(rows).toEqual([
    { key: "a\n'", size: 1 },
    { key: "\u{1f980}", size: null },
    { key: "x", size: 3 },
  ]);
  await catalog.close();
});

it("a catalog that was killed while it was written is read again or rebuilt", async () => {
  const file = join(dir, "catalog.duckdb");
  const dist = new URL("../dist/catalog/", import.meta.url).href;
  const script = `
    const { openCatalog } = await import("${dist}catalog.js");
    const { sql } = await import("${dist}sql.js");
    const catalog = await openCatalog("${file}");
    await catalog.run(sql\`INSERT INTO meta SELECT 'k' || range, 'v' FROM range(20000)\`);
    await catalog.run(sql\`BEGIN\`);
    await catalog.run(sql\`DELETE FROM meta\`);
    process.kill(process.pid, "SIGKILL");`;
  await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]).catch(() => undefined);
  const catalog = await openCatalog(file, { onRebuild: (reason) => expect.unreachable(reason) });
  expect(await catalog.row(sql`SELECT count(*) AS rows FROM meta`)).toEqual({ rows: 20_001 });
  await catalog.close();
});

it.each([
  "\ufeff",
  "\ufeffa",
  "\ufeff/\ufeffa",
  "a\ufeff",
  "\ufeff\0a",
])("%j comes back as it was: a name without its byte order mark is the name of another file", async (key) => {
  const catalog = await openCatalog(join(dir, "catalog.duckdb"));
  expect(await catalog.row(sql`SELECT ${key} AS key, ${key.repeat(9)} AS long`)).toEqual({ key, long: key.repeat(9) });
  await catalog.close();
});
