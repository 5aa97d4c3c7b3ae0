import { isAbsolute, relative, resolve, sep } from "node:path";
import type { Config } from "../config/config.js";

/** What an argument addresses: `location:key`, a path inside a location's root, or an address in a bucket (`s3://bucket/prefix/key`). Undefined for anything else. */
export function addressOf(text: string, config: Config): { location: string; key: string } | undefined {
  const colon = text.indexOf(":");
  const name = text.slice(0, Math.max(0, colon));
  if (config.locations.some((location) => location.name === name)) {
    return { location: name, key: text.slice(colon + 1).replace(/^\//, "") };
  }
  const path = resolve(text);
  for (const { name: location, root, store } of config.locations) {
    if (store && text.startsWith(root) && text !== root) return { location, key: text.slice(root.length) };
    if (store) continue;
    const key = relative(root, path);
    if (key !== "" && !key.startsWith("..") && !isAbsolute(key)) return { location, key: key.split(sep).join("/") };
  }
  return undefined;
}
