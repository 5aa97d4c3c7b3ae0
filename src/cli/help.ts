/** The exit codes that a command adds to 0 (ok), 1 (error) and 64 (wrong usage). */
export type ExitNote = [code: number, meaning: string];

/** The paragraph on exit codes of a command's help. */
export function exits(...notes: ExitNote[]): string {
  const all: ExitNote[] = [[0, "ok"], [1, "error"], ...notes, [64, "wrong usage"]];
  const sorted = [...new Map(all)].sort(([a], [b]) => a - b);
  return `Exit codes: ${sorted.map(([code, meaning]) => `${code} ${meaning}`).join(" · ")}`;
}

/** Examples as oclif prints them: the command line and what it does. */
export const examples = (...lines: [command: string, does: string][]): { command: string; description: string }[] =>
  lines.map(([command, does]) => ({
    command: `<%= config.bin %> ${command}`,
    description: `${does[0]?.toUpperCase()}${does.slice(1)}.`,
  }));
