import assert from "node:assert/strict";
import { type ConformanceCase, put, textOf } from "./subject.js";

/** Links that let anybody in for a while. */
export const linking: ConformanceCase[] = [
  {
    name: "a link for reading gives the bytes of that object to anybody",
    needs: "presign",
    async run({ backend }) {
      await put(backend, "a dir/x & y.bin", "shared");
      await put(backend, "a dir/x", "not shared");
      const link = await backend.presign?.("a dir/x & y.bin", { method: "GET", expires: 60_000 });
      const answer = await fetch(String(link));
      assert.deepEqual([answer.status, await answer.text()], [200, "shared"]);
    },
  },
  {
    name: "a link for writing creates that object",
    needs: "presign",
    async run({ backend, presign }) {
      const link = await backend.presign?.("a dir/new", { method: "PUT", expires: presign?.expires ?? 60_000 });
      const answer = await fetch(String(link), { method: "PUT", body: "uploaded", ...presign });
      assert.ok(answer.ok, `${answer.status} ${await answer.text()}`);
      assert.equal(await textOf(backend, "a dir/new"), "uploaded");
    },
  },
  {
    name: "a link is of no use after its time",
    needs: "presign",
    async run({ backend }) {
      await put(backend, "x", "shared");
      const link = await backend.presign?.("x", { method: "GET", expires: 1_000 });
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      assert.ok((await fetch(String(link))).status >= 400);
    },
  },
];
