/** What a terminal obeys, and what reorders or hides text: must never reach a screen as it is. */
const UNSAFE =
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/u;

/** Where the first character is that must not be printed; undefined when there is none. */
export function unsafe(text: string): string | undefined {
  const found = UNSAFE.exec(text);
  if (!found) return undefined;
  const code = found[0].codePointAt(0)?.toString(16);
  return `U+${code} in ${JSON.stringify(text.slice(Math.max(0, found.index - 40), found.index + 40))}`;
}
