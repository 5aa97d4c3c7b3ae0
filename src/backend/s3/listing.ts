import { count, date, inside, once, type Scan, skip, yes } from "./xml.js";

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
    Key: undefined,
    LastModified: undefined,
    ETag: undefined,
    Size: undefined,
    StorageClass: undefined,
    VersionId: undefined,
    IsLatest: undefined,
    RestoreStatus: undefined,
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
