import { mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openBarrier } from "../src/backend/local/barrier.js";

const root = realpathSync(mkdtempSync(join(tmpdir(), "stowage-barrier-")));
afterAll(() => rmSync(root, { recursive: true }));
mkdirSync(join(root, "d"));
writeFileSync(join(root, "d/there"), "1");
const { dev } = statSync(root, { bigint: true });

describe("I1: the name of what was seen", () => {
  it("is durable once its directory is", async () => {
    const barrier = openBarrier(root);
    await barrier.name(join(root, "d/there"), dev);
    await barrier.name(join(root, "d/gone"));
    await barrier.close();
  });

  it("is not, when the directory is on another device by now and does not hold it: what was synced is an empty mount point", async () => {
    const barrier = openBarrier(root);
    const name = barrier.name(join(root, "d/not there"), dev + 1n);
    await expect(name).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining(join(root, "d")),
    });
    await barrier.close();
  });

  it("is, where what lies in a directory is on another device than the directory itself: a mount point, or layers", async () => {
    const barrier = openBarrier(root);
    await barrier.name(join(root, "d/there"), dev + 1n);
    await barrier.close();
  });

  it("is waited for by whoever comes at any moment after another one failed", async () => {
    for (let moments = 0; moments < 30; moments++) {
      const barrier = openBarrier(root);
      await barrier.name(join(root, "none/x"), dev).catch(() => undefined);
      for (let moment = 0; moment < moments; moment++) await undefined;
      await barrier.name(join(root, "d/there"), dev);
      await barrier.close();
    }
  });

  it("tells when the directory is gone", async () => {
    const barrier = openBarrier(root);
    await expect(barrier.name(join(root, "none/x"), dev)).rejects.toMatchObject({ code: "ENOENT" });
    await expect(barrier.name(join(root, "none/x"))).rejects.toMatchObject({ code: "ENOENT" });
    await barrier.close();
  });
});
