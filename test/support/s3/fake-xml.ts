const ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Control characters as references, as Amazon sends them where no URL encoding was asked for. */
export const escaped = (text: string): string =>
  text
    .replace(/[&<>"]/g, (char) => ESCAPES[char] ?? char)
    .replace(/[\u0000-\u001f]/g, (char) => `&#x${char.charCodeAt(0).toString(16)};`);

/** As Amazon encodes names in listings: a blank is a plus. */
export const urlEncoded = (text: string): string =>
  encodeURIComponent(text).replaceAll("%20", "+").replaceAll("%2F", "/");

export type Xml = { [name: string]: Xml | string | number | boolean | undefined | (Xml | string)[] };

export function xml(root: string, content: Xml): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element(root, content)}`;
}

function element(name: string, content: Xml[string]): string {
  if (content === undefined) return "";
  if (Array.isArray(content)) return content.map((each) => element(name, each)).join("");
  const inner =
    typeof content === "object"
      ? Object.entries(content)
          .map(([key, value]) => element(key, value))
          .join("")
      : escaped(String(content));
  return `<${name}>${inner}</${name}>`;
}

/** The texts of all elements of that name; enough for what the SDK sends. */
export const texts = (document: string, name: string): string[] =>
  [...document.matchAll(new RegExp(`<${name}>([\\s\\S]*?)</${name}>`, "g"))].map(([, text = ""]) =>
    text
      .replaceAll("&quot;", '"')
      .replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">")
      .replaceAll("&#34;", '"')
      .replaceAll("&amp;", "&"),
  );
