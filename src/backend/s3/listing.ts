/** What a page of a listing says, in the words of the SDK. */
export interface Listing {
  IsTruncated?: boolean | undefined;
  KeyCount?: number | undefined;
  EncodingType?: string | undefined;
  ContinuationToken?: string | undefined;
  NextContinuationToken?: string | undefined;
  NextVersionIdMarker?: string | undefined;
  Contents?: ListedObject[] | undefined;
  Versions?: ListedObject[] | undefined;
  DeleteMarkers?: Omit<ListedObject, "Size" | "ETag">[] | undefined;
  CommonPrefixes?: { Prefix?: string | undefined }[] | undefined;
}

export interface ListedObject {
  Key?: string | undefined;
  LastModified?: Date | undefined;
  ETag?: string | undefined;
  Size?: number | undefined;
  StorageClass?: string | undefined;
  VersionId?: string | undefined;
  IsLatest?: boolean | undefined;
  RestoreStatus?: { IsRestoreInProgress?: boolean | undefined; RestoreExpiryDate?: Date | undefined } | undefined;
}

/** Where the reading stands. Once it is `odd` nothing of it counts. */
interface Scan {
  readonly text: string;
  at: number;
  /** The element that was opened last has closed itself. */
  empty: boolean;
  odd: boolean;
}

/** What lists, and what it alone holds. */
const ROOTS: Readonly<Record<string, readonly string[]>> = {
  ListBucketResult: ["Contents", "KeyCount", "ContinuationToken", "NextContinuationToken"],
  ListVersionsResult: ["Version", "DeleteMarker", "NextVersionIdMarker"],
};
const FOREIGN = new Map(
  Object.keys(ROOTS).map((root) => [
    root,
    new Set(Object.entries(ROOTS).flatMap(([other, names]) => (other === root ? [] : names))),
  ]),
);
/** The root with what may stand before it; its attributes name a namespace. */
const HEAD = /^(?:<\?xml[^<>]*\?>)?\s*<(\w+)(?:\s+[\w:]+="[^"<>&]*")*\s*>/;

/**
 * Reads the documents that stores send, many times faster than the SDK does. Undefined for everything that is not quite plain (comments, CDATA,
 * attributes, what comes twice, numbers and times of another form, other roots, a document that was cut off): that is for the SDK to judge.
 */
export function readListing(text: string): Listing | undefined {
  const [head, root] = HEAD.exec(text) ?? [];
  // A carriage return is a line feed to XML.
  const foreign = FOREIGN.get(root ?? "");
  if (head === undefined || root === undefined || !foreign || text.includes("\r")) return undefined;
  const scan: Scan = { text, at: head.length, empty: false, odd: false };
  const listing: Lists = { Contents: [], Versions: [], DeleteMarkers: [], CommonPrefixes: [] };
  inside(scan, root, (name) => {
    if (foreign.has(name)) scan.odd = true;
    else rootChild(scan, listing, name);
  });
  return scan.odd || text.slice(scan.at).trim() !== "" ? undefined : listing;
}

type Lists = Listing &
  Required<{ [List in "Contents" | "Versions"]: ListedObject[] }> & {
    DeleteMarkers: ListedObject[];
    CommonPrefixes: { Prefix?: string }[];
  };

function rootChild(scan: Scan, listing: Lists, name: string): void {
  switch (name) {
    case "Contents":
      return void listing.Contents.push(object(scan, name));
    case "Version":
      return void listing.Versions.push(object(scan, name));
    case "DeleteMarker":
      return void listing.DeleteMarkers.push(object(scan, name));
    case "CommonPrefixes":
      return void listing.CommonPrefixes.push(group(scan, name));
    case "IsTruncated":
      listing.IsTruncated = yes(scan, once(scan, name, listing.IsTruncated));
      return;
    case "KeyCount":
      listing.KeyCount = count(scan, once(scan, name, listing.KeyCount));
      return;
    case "EncodingType":
    case "ContinuationToken":
    case "NextContinuationToken":
    case "NextVersionIdMarker":
      listing[name] = once(scan, name, listing[name]);
      return;
    default:
      skip(scan, name);
  }
}

function object(scan: Scan, element: string): ListedObject {
  const found: ListedObject = {
    ...{ Key: undefined, LastModified: undefined, ETag: undefined, Size: undefined, StorageClass: undefined },
    ...{ VersionId: undefined, IsLatest: undefined, RestoreStatus: undefined },
  };
  inside(scan, element, (name) => {
    switch (name) {
      case "Key":
      case "ETag":
      case "StorageClass":
      case "VersionId":
        found[name] = once(scan, name, found[name]);
        return;
      case "LastModified":
        found.LastModified = date(scan, once(scan, name, found.LastModified));
        return;
      case "Size":
        found.Size = count(scan, once(scan, name, found.Size));
        return;
      case "IsLatest":
        found.IsLatest = yes(scan, once(scan, name, found.IsLatest));
        return;
      case "RestoreStatus":
        if (found.RestoreStatus !== undefined) scan.odd = true;
        found.RestoreStatus = restoreStatus(scan, name);
        return;
      default:
        skip(scan, name);
    }
  });
  return found;
}

function group(scan: Scan, element: string): { Prefix?: string } {
  const found: { Prefix?: string } = {};
  inside(scan, element, (name) => {
    if (name === "Prefix") found.Prefix = once(scan, name, found.Prefix);
    else skip(scan, name);
  });
  return found;
}

function restoreStatus(scan: Scan, element: string): NonNullable<ListedObject["RestoreStatus"]> {
  const found: NonNullable<ListedObject["RestoreStatus"]> = {};
  inside(scan, element, (name) => {
    if (name === "IsRestoreInProgress") found[name] = yes(scan, once(scan, name, found[name]));
    else if (name === "RestoreExpiryDate") found[name] = date(scan, once(scan, name, found[name]));
    else skip(scan, name);
  });
  return found;
}

/** Calls `each` for the elements below the one that was opened last, and leaves it. There is nothing else in it. */
function inside(scan: Scan, element: string, each: (name: string) => void): void {
  // Empty, it would be a text to the SDK.
  if (scan.empty) scan.odd = true;
  const { text } = scan;
  while (!scan.odd) {
    while (isBlank(text.charCodeAt(scan.at))) scan.at++;
    if (text.charCodeAt(scan.at) !== LESS) scan.odd = true;
    else if (text.charCodeAt(scan.at + 1) !== SLASH) each(open(scan));
    else {
      close(scan, element);
      return;
    }
  }
}

const [LESS, SLASH] = [0x3c, 0x2f];
const isBlank = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x09;
const NAME = /^[A-Za-z]\w*$/;

/** The name of the element that begins here. */
function open(scan: Scan): string {
  const { text, at } = scan;
  const end = text.indexOf(">", at);
  scan.empty = text.charCodeAt(end - 1) === SLASH;
  const name = text.slice(at + 1, scan.empty ? end - 1 : end);
  if (end < 0 || !NAME.test(name)) scan.odd = true;
  scan.at = end + 1;
  return name;
}

function close(scan: Scan, element: string): void {
  const { text, at } = scan;
  const end = at + 2 + element.length;
  if (!text.startsWith(element, at + 2) || text[end] !== ">") scan.odd = true;
  scan.at = end + 1;
}

/** The text of the element, which was not there before. */
function once(scan: Scan, element: string, before: unknown): string {
  if (before !== undefined) scan.odd = true;
  if (scan.empty) return "";
  const { text, at } = scan;
  const end = text.indexOf("<", at);
  if (end < 0 || scan.odd) return odd(scan);
  scan.at = end;
  close(scan, element);
  const value = text.slice(at, end);
  // What is only blank may be none.
  if (isBlank(text.charCodeAt(at)) && value.trim() === "") return odd(scan);
  return value.includes("&") ? decoded(scan, value) : value;
}

function odd(scan: Scan): string {
  scan.odd = true;
  return "";
}

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const ENTITY = /&(?:#x([0-9a-fA-F]{1,6})|#(\d{1,7})|(\w+));|&/g;

const decoded = (scan: Scan, value: string): string =>
  value.replace(ENTITY, (_, hex?: string, decimal?: string, named = "") => {
    if (hex === undefined && decimal === undefined) return ENTITIES[named] ?? odd(scan);
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : odd(scan);
  });

/** Deeper than any listing. */
const DEEPEST = 8;

function skip(scan: Scan, element: string, depth = 0): void {
  if (depth > DEEPEST) scan.odd = true;
  if (scan.empty || scan.odd) return;
  const { text, at } = scan;
  const next = text.indexOf("<", at);
  if (next < 0) scan.odd = true;
  else if (text.charCodeAt(next + 1) !== SLASH) inside(scan, element, (name) => skip(scan, name, depth + 1));
  else {
    scan.at = next;
    close(scan, element);
  }
}

function yes(scan: Scan, value: string): boolean {
  if (value !== "true" && value !== "false") scan.odd = true;
  return value === "true";
}

const COUNT = /^\d{1,15}$/;
function count(scan: Scan, value: string): number {
  if (!COUNT.test(value)) scan.odd = true;
  return Number(value);
}

const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z$/;
function date(scan: Scan, value: string): Date {
  const found = new Date(value);
  if (!DATE.test(value) || Number.isNaN(found.getTime())) scan.odd = true;
  return found;
}
