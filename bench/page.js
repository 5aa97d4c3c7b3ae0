import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { growthLines } from "./growth.js";
import { profileLines } from "./profile.js";

const PAGE = fileURLToPath(new URL("../docs/performance.md", import.meta.url));

/** Puts the figures between their marks in docs/performance.md; the rest of the page is written by people. */
export function writePage({ machine, rows, growth }) {
  const table = between(readFileSync(PAGE, "utf8"), "table", tableLines(machine, rows));
  writeFileSync(PAGE, between(table, "growth", growthLines(growth)));
}

function between(page, mark, lines) {
  const [open, close] = [`<!-- ${mark} -->`, `<!-- /${mark} -->`];
  const [from, to] = [page.indexOf(open), page.indexOf(close)];
  if (from === -1 || to < from) throw new Error(`${PAGE} has no ${open} … ${close}`);
  return `${page.slice(0, from)}${open}\n\n${lines.join("\n")}\n\n${page.slice(to)}`;
}

function tableLines(machine, rows) {
  const { node, processors, memory, system, peers } = machine;
  const profiles = profileLines(rows);
  return [
    `${processors}, ${memory}, Linux ${system}, Node ${node}; ${peers.join("; ")}.`,
    "",
    "| case | stowage | peer | ratio | goal | met |",
    "|---|---|---|---:|---|---|",
    ...rows.map(tableLine),
    ...(profiles.length > 0 ? ["", ...profiles] : []),
  ];
}

function tableLine({ case: name, ours, peer, ratio, limits, met }) {
  const against = peer ? `${peer.who.replaceAll("|", "\\|")} ${figures(peer)}` : "";
  const cells = [name, figures(ours), against, ratio?.toFixed(2) ?? "", goalOf(peer, limits), verdict(met)];
  return `| ${cells.join(" | ")} |`;
}

function figures({ seconds, cpu, megabytes }) {
  return `${seconds.toFixed(2)} s, CPU ${(cpu ?? 0).toFixed(1)} s, ${(megabytes ?? 0).toFixed(0)} MB`;
}

function goalOf(peer, limits = {}) {
  if (peer?.goal !== undefined) return `≤ ${peer.goal}`;
  return Object.entries(limits)
    .map(([what, most]) => `≤ ${most} ${what === "seconds" ? "s" : "MB"}`)
    .join(", ");
}

/** Empty where nothing is aimed at: it can be neither met nor missed. */
function verdict(met) {
  if (met === undefined) return "";
  return met ? "yes" : "**no**";
}
