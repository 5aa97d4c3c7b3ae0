import type { At, Findings } from "./findings.js";

/** Addresses at which clouds tell a machine its own credentials: no storage is there. */
const METADATA = new Set([
  ...["169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.42.42", "169.254.0.23"],
  ...["100.100.100.200", "168.63.129.16", "192.0.0.192"],
  ...["fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:42::42", "fe80::a9fe:a9fe"],
  ...["metadata", "metadata.google.internal", "metadata.goog", "metadata.tencentyun.com"],
  ...["instance-data", "instance-data.ec2.internal"],
  // With the name of a bucket before it, it may be one of those.
  ...["google.internal", "goog", "ec2.internal"],
]);

/** An IPv6 address that stands for one of IPv4: mapped, compatible, or behind a gateway. As a URL writes it, without brackets. */
const IPV4_INSIDE = /^(?:::ffff:(?:0:)?|::|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

function isMetadata(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "");
  const [, high, low] = IPV4_INSIDE.exec(bare) ?? [];
  if (high === undefined || low === undefined) return METADATA.has(bare);
  const [upper, lower] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return METADATA.has([upper >> 8, upper & 255, lower >> 8, lower & 255].join("."));
}

/**
 * The address of a store without `/` at its end; undefined where it can not be used, which is reported. No message shows it:
 * people put keys and tokens there. Plain http to another machine is a warning.
 */
export function endpointOf(text: string, at: At, found: Findings): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const refuse = (message: string, hint: string): undefined =>
    found.error("WRONG_VALUE", at, message, hint) as undefined;
  if (!url || (url.protocol !== "https:" && url.protocol !== "http:") || /[\s\u0000-\u001f]/.test(text))
    return refuse("this is no http or https address", "Such as https://s3.example.com.");
  if (url.username !== "" || url.password !== "")
    return refuse("the address has a user name or password in it", "Remove it; secrets belong into variables.");
  if (/[?#]/.test(text)) return refuse("the address has a query in it", "Remove it; secrets belong into variables.");
  const host = hostOf(url);
  if (isMetadata(host))
    return refuse(
      "this is the address of a cloud's metadata service, which is no storage",
      "It gives out credentials.",
    );
  if (url.protocol === "http:" && !isLoopback(host))
    found.warning("INSECURE", at, `what goes to ${host} over http can be read and changed on its way`, "Write https.");
  return text.replace(/\/+$/, "");
}

const hostOf = (url: URL): string => url.hostname.toLowerCase().replace(/\.+$/, "");

const isLoopback = (host: string): boolean =>
  host === "localhost" || host.endsWith(".localhost") || /^127\.\d+\.\d+\.\d+$/.test(host) || host === "[::1]";

/** Host, port and path of an address that `endpointOf` accepted: the same for every way to write it. */
export function placeOf(endpoint: string): { host: string; port: string; path: string; loopback: boolean } {
  const url = new URL(endpoint);
  const host = hostOf(url);
  const loopback = isLoopback(host);
  return { host: loopback ? "localhost" : host, port: url.port, path: url.pathname.replace(/\/+$/, ""), loopback };
}
