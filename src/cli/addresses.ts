import { isAbsolute, relative, resolve, sep } from "node:path";
import type { Config } from "../config/config.js";

/** What an argument addresses: `location:key`, or a path inside a location's root. Undefined for anything else. */
export function addressOf(text: string, config: Config): { location: string; key: string } | undefined {
  const colon = text.indexOf(":");
  const name = text.slice(0, Math.max(0, colon));
  if (config.locations.some((location) => location.name === name)) {
    return { location: name, key: text.slice(colon + 1).replace(/^\//, "") };
  }
  const path = resolve(text);
  for (const { name: location, root } of config.locations) {
    const key = relative(root, path);
    if (key !== "" && !key.startsWith("..") && !isAbsolute(key)) return { location, key: key.split(sep).join("/") };
  }
  return undefined;
}
