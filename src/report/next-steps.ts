/** What to do about the codes of blocked items, failed checks and failed actions. */
const STEPS: Record<string, string> = {};

/** The next step for a code, as a sentence; undefined where the reason says it all. */
export const nextStep = (code: string): string | undefined => STEPS[code];
