import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { type CloudBox, cloudBox, MARK } from "../support/cloud/box.js";
import { azureCloud, type Cloud, gcsFakeCloud, s3Cloud, supabaseFakeCloud } from "../support/cloud/cloud.js";
import { type FaultProxy, openProxy } from "../support/proxy.js";
import { type FakeS3, fakeS3 } from "../support/s3/fake.js";

const MODIFIED = new Date("2024-02-29T12:34:56.789Z");
const DISK = "  - { name: disk, type: local, path: disk, priority: 100, purpose: [inbox, organized] }\n";
const COPY = "name: all, match: { location: disk }, action: copy, destination: [s3, azure]";
const radosgw = inject("radosgw");

describe(`several clouds together: S3 on ${radosgw ? "radosgw" : "a fake"}, Azurite, fakes of the others`, () => {
  const folder = mkdtempSync(join(tmpdir(), "stowage-cross-"));
  let fake: FakeS3;
  let azure: Cloud;
  const open: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    fake = await fakeS3();
    azure = await azureCloud();
    open.push(fake.close, azure.close);
  });
  afterAll(async () => {
    for (const close of open.reverse()) await close();
    rmSync(folder, { recursive: true });
  }, 60_000);

  /** S3 behind a proxy, and Azure. */
  async function two(files: Record<string, string>) {
    const server = radosgw ?? fake;
    const proxy = await openProxy(server.endpoint);
    const s3 = await s3Cloud(server, { endpoint: proxy.url });
    open.push(s3.close, proxy.close);
    const name = `n${open.length}`;
    const to = "purpose: [backup]";
    const locations =
      DISK +
      s3.location("s3", to) +
      azure.location("azure", `${to}, domain: ${name}`).replace("prefix: azure", `prefix: ${name}`);
    const box = cloudBox({ clouds: [s3, azure], locations });
    for (const [path, text] of Object.entries(files)) box.write(`disk/${path}`, text, MODIFIED);
    box.rules(COPY);
    await box.good("init", "-q");
    return { box, proxy };
  }

  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`${index % 5}/${index}.txt`, `file ${index}`]));

  /** Lets no more than some files of the user's into S3 until `go`: an apply can not be done before it is stopped. */
  function holdPuts(proxy: FaultProxy, count: number) {
    let go = () => {};
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    let puts = 0;
    proxy.faults = ({ kind, path }) =>
      kind === "put" && !path.includes(".stowage-") && ++puts > count ? { kind: "hook", run: () => held } : undefined;
    return { go };
  }

  async function complete(box: CloudBox, files: Record<string, string>) {
    const copies = 2 * Object.keys(files).length;
    expect(await box.good("plan", "--detailed-exitcode")).toContain(MARK);
    expect(await box.good("verify", "s3", "azure")).toContain(`${copies} verified, 0 damaged.`);
    expect(box.tree("disk")).toEqual(files);
    expect(await box.json("gc")).toMatchObject({ kept: [], problems: [] });
  }

  it("carries files from cloud to cloud, and home with every byte and time", async () => {
    const s3 = await s3Cloud(radosgw ?? fake);
    const gcs = await gcsFakeCloud(join(folder, "key.json"));
    const supabase = await supabaseFakeCloud();
    open.push(s3.close, gcs.close, supabase.close);
    const places = [azure, s3, gcs, supabase].map((cloud, index) => cloud.location(`c${index}`, "purpose: [backup]"));
    const box = cloudBox({ clouds: [azure, s3, gcs, supabase], locations: DISK + places.join("") });
    const files = { "a/one.jpg": "one", "empty.bin": "", "film.mp4": "a film ".repeat(3_000_000) };
    for (const [path, text] of Object.entries(files)) box.write(`disk/${path}`, text, MODIFIED);
    box.rules("name: up, match: {}, action: move, from: [disk], destination: c0");
    await box.good("init", "-q");
    expect(await box.good("apply", "--auto-approve")).toContain("0 copied, 3 moved");
    for (const [from, to] of [
      ["c0", "c1"],
      ["c1", "c2"],
      ["c2", "c3"],
      ["c3", "disk"],
    ]) {
      // What was there before must not be what it comes from.
      const others = ["disk", "c0", "c1", "c2", "c3"].filter((name) => name !== from && name !== to);
      const text = (DISK + places.join("")).replace(/name: (\w+),/g, (line, name) =>
        others.includes(name) ? `${line} status: offline,` : line,
      );
      box.locations(text);
      box.rules(`name: on, match: {}, action: copy, destination: ${to}`);
      expect(await box.good("apply", "--auto-approve")).toContain("Apply complete! 3 copied");
    }
    expect(box.tree("disk")).toEqual(files);
    expect(statSync(join(box.dir, "disk/film.mp4")).mtime).toEqual(MODIFIED);
  });

  it("lets the store copy inside one provider, and reads the result back once", async () => {
    const proxy = await openProxy(fake.endpoint);
    const s3 = await s3Cloud(fake, { endpoint: proxy.url });
    open.push(s3.close, proxy.close);
    const locations =
      DISK + s3.location("one", "purpose: [backup]") + s3.location("two", "priority: 1", { versioned: true });
    const box = cloudBox({ clouds: [s3], locations });
    box.write("disk/film.mp4", "a film ".repeat(100_000), MODIFIED);
    box.rules("name: up, match: {}, action: move, from: [disk], destination: one");
    await box.good("init", "-q");
    await box.good("apply", "--auto-approve", "-q");
    box.rules("name: over, match: {}, action: move, from: [one], destination: two");
    await box.good("plan", "-o", "p.ndjson", "-q");
    const before = { copy: proxy.count("copy"), put: proxy.count("put") };
    expect(await box.good("apply", "p.ndjson")).toContain("0 copied, 1 moved");
    expect(proxy.count("copy")).toBeGreaterThan(before.copy);
    const sent = proxy.seen.filter(({ kind, path }) => kind === "put" && path.includes("film.mp4"));
    expect(sent).toHaveLength(1);
    expect(await box.fetch("two:film.mp4")).toBe("a film ".repeat(100_000));
  });

  it("goes on where it was when apply is killed with -9 (I7)", async () => {
    const files = { ...many(30), "film.mp4": "a film ".repeat(3_000_000) };
    const { box, proxy } = await two(files);
    await box.good("plan", "-o", "p.ndjson", "-q");
    const { go } = holdPuts(proxy, 12);
    const killed = await box.runWith(
      { onOutput: (text, kill) => text.split('"action-done"').length > 8 && kill("SIGKILL") },
      ...["apply", "p.ndjson", "--concurrency", "1", "--json"],
    );
    go();
    expect(killed.code).toBe(null);
    expect(await box.good("apply", "p.ndjson")).toMatch(/Apply complete! 62 copied, .* 0 failed/);
    await complete(box, files);
  });

  it("stops at Ctrl-C with what is under way done, and the next run does the rest", async () => {
    const files = many(40);
    const { box, proxy } = await two(files);
    const { go } = holdPuts(proxy, 12);
    let sent = false;
    const stopped = await box.runWith(
      {
        onOutput(text, kill) {
          if (sent || !text.includes('"action-done"')) return;
          sent = true;
          kill("SIGINT");
          go();
        },
      },
      ...["apply", "--auto-approve", "--concurrency", "1", "--json"],
    );
    expect(stopped.code).toBe(130);
    for (const line of stopped.stdout.trim().split("\n")) expect(JSON.parse(line)).toHaveProperty("type");
    await box.good("apply", "--auto-approve", "-q");
    await complete(box, files);
  });

  it("goes on elsewhere when credentials expire in the midst of a run, and completes when they are new", async () => {
    const files = many(20);
    const { box, proxy } = await two(files);
    let puts = 0;
    proxy.faults = ({ kind, path }) =>
      path.includes(".stowage-") || (kind === "put" ? ++puts : puts) <= 5
        ? undefined
        : { kind: "status", status: 403, code: "ExpiredToken" };
    const { code, stdout } = await box.run("apply", "--auto-approve");
    expect({ code, stdout }).toMatchObject({ code: 4, stdout: expect.stringContaining("ACCESS_DENIED") });
    expect(await box.good("verify", "azure")).toContain("20 verified, 0 damaged.");
    proxy.faults = () => undefined;
    await box.good("apply", "--auto-approve", "-q");
    await complete(box, files);
  });

  it("takes a bucket that is gone for a location that is suspect, never for an empty one (S14)", async () => {
    const s3 = await s3Cloud(fake);
    open.push(s3.close);
    const box = cloudBox({ clouds: [s3], locations: DISK + s3.location("s3", "purpose: [backup]") });
    box.write("disk/a.txt", "a");
    box.rules("name: all, match: { location: disk }, action: copy, destination: s3");
    await box.good("init", "-q");
    await box.good("apply", "--auto-approve", "-q");
    const kept = new Map(fake.buckets);
    fake.buckets.clear();
    const { code, stdout } = await box.run("plan", "--detailed-exitcode");
    expect(code).toBe(3);
    expect(stdout).toMatch(/suspect\n\s+! s3:/);
    expect((await box.run("init")).code).toBe(1);
    for (const [name, bucket] of kept) fake.buckets.set(name, bucket);
    expect(await box.good("plan", "--detailed-exitcode")).toContain(MARK);
  });
});
