import type { CommandClass } from "./base-command.js";

/** The commands in the order in which one meets them. */
const GROUPS: Record<string, readonly string[]> = {
  "The loop": ["init", "plan", "apply", "show"],
  "The configuration": ["validate", "fmt", "lint", "schema", "location:list", "location:check"],
  "The files": ["scan", "status", "explain", "whereis", "find", "stats", "dupes", "url", "sql"],
  Upkeep: ["verify", "history", "gc", "unlock"],
  "Plug-ins": ["plugins", "plugins:install", "plugins:link", "plugins:uninstall"],
};

/** What `stowage` alone prints: what it is for, and every command with one line. */
export function rootHelp(commands: Record<string, CommandClass>, version: string): string {
  const lines = [
    `stowage ${version}: one reviewed storage.yaml says where every file should be.`,
    "`stowage plan` shows what would move; `stowage apply` moves it, losing nothing.",
    "",
    "Usage: stowage COMMAND [FLAGS]",
  ];
  for (const [title, ids] of Object.entries(GROUPS)) {
    lines.push("", title);
    for (const id of ids) {
      const command = commands[id];
      if (command) lines.push(`  ${id.replace(":", " ").padEnd(17)} ${command.summary ?? ""}`);
    }
  }
  lines.push(
    "",
    "Start with `stowage init`, then `stowage plan`.",
    "`stowage COMMAND --help` has examples and exit codes.",
    "Every command takes --config FILE, --json, --no-color, --no-progress, -q, -v.",
    "",
  );
  return lines.join("\n");
}
