import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";
import type { S3Server } from "../support/s3/server.js";

const SCRIPT = "test/support/s3/radosgw.sh";
const KEYS = { accessKeyId: "stowageaccess", secretAccessKey: "stowagesecretkey0123456789" };

/**
 * One radosgw for the whole run, in memory, where its programs are installed; it ends with the run, however that ends. `STOWAGE_TEST_RADOSGW` names
 * the address of one that runs already (with the same keys).
 */
export default async function radosgw(project: TestProject): Promise<() => Promise<void>> {
  const running = process.env["STOWAGE_TEST_RADOSGW"];
  if (running) project.provide("radosgw", { endpoint: running, ...KEYS });
  if (running) return async () => undefined;
  if (!isInstalled()) {
    const line = "S3 WAS TESTED AGAINST THE FAKE ONLY: radosgw, ceph-osd and ceph-mon are not installed.";
    return async () => void process.stdout.write(`\n${line}\n`);
  }
  const { server, stop } = await startTwice();
  project.provide("radosgw", server);
  return stop;
}

function isInstalled(): boolean {
  try {
    execFileSync("sh", ["-c", "command -v radosgw && command -v ceph-osd && command -v ceph-mon && command -v curl"]);
    return true;
  } catch {
    // That is the answer.
    return false;
  }
}

/** About one start in ten fails for reasons of Ceph's own. */
async function startTwice() {
  try {
    return await start();
  } catch (error) {
    process.stderr.write(`radosgw did not start, trying once more: ${error}\n`);
    return await start();
  }
}

async function start(): Promise<{ server: S3Server; stop: () => Promise<void> }> {
  const run = promisify(execFile);
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "stowage-radosgw-")));
  const stop = async () => {
    await run(SCRIPT, ["stop", directory]);
    rmSync(directory, { recursive: true, force: true });
  };
  const [port, monitorPort] = await Promise.all([freePort(), freePort()]);
  try {
    const owner = String(process.pid);
    await run(SCRIPT, ["start", directory, String(port), String(monitorPort), owner], { timeout: 120_000 });
  } catch (error) {
    await stop();
    throw error;
  }
  return { server: { endpoint: `http://127.0.0.1:${port}`, ...KEYS }, stop };
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
