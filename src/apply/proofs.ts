import type { Catalog } from "../catalog/catalog.js";
import { column, instant, packed, sql } from "../catalog/sql.js";
import type { Present } from "./events.js";
import { journalLines, untouched } from "./journal-lines.js";
import { type OnDamage, runIds } from "./journal-read.js";
import { sourceOf } from "./journal-source.js";

/**
 * What earlier runs have proven and the catalog does not know, because they were killed before they could record it or the catalog was
 * deleted: where an object is still the very version with the very hash, and only claimed by its metadata, it is known again how that was proven.
 * Planning goes by it; before anything is removed apply proves it anew (I7).
 */
export async function recallProofs(state: string, catalog: Catalog, onDamage: OnDamage): Promise<void> {
  const claims = await catalog.row(sql`SELECT 1 FROM file_locations WHERE proof = 'claim' LIMIT 1`);
  if (!claims) return;
  const known = new Set((await catalog.rows(sql<{ run: string }>`SELECT run FROM runs`)).map(({ run }) => run));
  for (const run of await runIds(state)) {
    if (known.has(run)) continue;
    const found = untouched();
    let proofs: Present[] = [];
    let at = 0;
    for await (const { line } of journalLines(sourceOf(state), run, found)) {
      if (line.type !== "done") continue;
      at = line.at;
      proofs.push(...line.outcome.present);
      if (proofs.length < BATCH) continue;
      await recall(catalog, proofs, at);
      proofs = [];
    }
    await recall(catalog, proofs, at);
    if (found.damage) onDamage(run, found.damage);
  }
}

const BATCH = 5_000;

async function recall(catalog: Catalog, proofs: readonly Present[], at: number): Promise<void> {
  if (proofs.length === 0) return;
  const given = packed({
    location: column(proofs.map((each) => each.location)),
    key: column(proofs.map((each) => each.key)),
    version: column(proofs.map((each) => each.version)),
    sha256: column(proofs.map((each) => each.sha256)),
    proof: column(proofs.map((each) => each.by)),
  });
  await catalog.run(sql`
    UPDATE file_locations f SET proof = g.proof, last_verified = CASE g.proof WHEN 'content' THEN g.at ELSE f.last_verified END
    FROM (SELECT *, ${instant(at)} AS at FROM ${given}) g
    WHERE f.proof = 'claim' AND f.location = g.location AND f.key = g.key AND f.version = g.version AND f.sha256 = g.sha256`);
}
