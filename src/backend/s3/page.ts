import { compareKeys } from "../../lib/key.js";
import { unavailable } from "../requests.js";
import type { Stored } from "../store.js";
import type { ListedObject } from "./listing.js";
import { archivedAs, classOf, seconds, tokenOf } from "./object.js";
import { isAmazon, type Session } from "./session.js";
import { listed } from "./wire.js";

/** Where a page of a listing begins: behind a key, or where the store said it goes on. */
export interface Cursor {
  after?: string | undefined;
  token?: string;
  versionId?: string;
}

export interface Page {
  /** Current objects, in the order of their names. */
  objects: Stored[];
  /** The last name on it, of older versions and delete markers too. */
  last?: string | undefined;
  /** Missing: it was the last page. */
  next?: Cursor;
}

export type Pages = (prefix: string, cursor: Cursor, signal: AbortSignal | undefined) => Promise<Page>;

/** Pages of what is current, in versioned buckets from the list of versions, which alone tells their ids. */
export const pagesOf =
  (session: Session): Pages =>
  async (prefix, cursor, signal) =>
    (await session.versioned())
      ? await versionsPage(session, prefix, cursor, signal)
      : await objectsPage(session, prefix, cursor, signal);

async function objectsPage(
  session: Session,
  prefix: string,
  cursor: Cursor,
  signal: AbortSignal | undefined,
): Promise<Page> {
  const { sdk, client } = session;
  const input = {
    ...common(session, prefix),
    ...(cursor.token === undefined ? { StartAfter: cursor.after } : { ContinuationToken: cursor.token }),
  };
  return await session.ask(
    undefined,
    async (attempt) => {
      const command = new sdk.ListObjectsV2Command(input);
      const answer = await listed(command, () => client.send(command, { abortSignal: attempt.signal }));
      const { Contents = [], NextContinuationToken: token, ContinuationToken: echo, KeyCount } = answer;
      const goesOn = truncated(session, answer);
      const decode = decoder(answer.EncodingType);
      const objects = Contents.map((object) => describe(session, decode(object.Key ?? ""), object, undefined));
      const names = objects.map(({ name }) => name);
      inOrder(session, prefix, cursor, names, true);
      if (cursor.token !== undefined && echo !== undefined && echo !== cursor.token)
        throw wrong(session, "another page came");
      if (KeyCount !== undefined && KeyCount !== Contents.length) throw wrong(session, "a page is not whole");
      if (!goesOn) return { objects, last: names.at(-1) };
      if (token === undefined || token === cursor.token) throw wrong(session, "it does not go on");
      return { objects, last: names.at(-1), next: { token, after: names.at(-1) ?? cursor.after } };
    },
    { signal },
  );
}

async function versionsPage(
  session: Session,
  prefix: string,
  cursor: Cursor,
  signal: AbortSignal | undefined,
): Promise<Page> {
  const { sdk, client } = session;
  const input = { ...common(session, prefix), KeyMarker: cursor.after, VersionIdMarker: cursor.versionId };
  return await session.ask(
    undefined,
    async (attempt) => {
      const command = new sdk.ListObjectVersionsCommand(input);
      const answer = await listed(command, () => client.send(command, { abortSignal: attempt.signal }));
      const { Versions = [], DeleteMarkers = [], NextVersionIdMarker } = answer;
      const goesOn = truncated(session, answer);
      const decode = decoder(answer.EncodingType);
      const objects = Versions.filter(({ IsLatest }) => IsLatest).map((object) =>
        describe(session, decode(object.Key ?? ""), object, object.VersionId ?? "null"),
      );
      const versions = Versions.map(({ Key = "" }) => decode(Key));
      const markers = DeleteMarkers.map(({ Key = "" }) => decode(Key));
      for (const names of [versions, markers]) inOrder(session, prefix, cursor, names, false);
      inOrder(
        session,
        prefix,
        {},
        objects.map(({ name }) => name),
        true,
      );
      // Not the store's own word for it: some escape it and some do not.
      const last = [versions.at(-1), markers.at(-1)]
        .filter((name) => name !== undefined)
        .sort(compareKeys)
        .at(-1);
      if (!goesOn) return { objects, last };
      const versionId = NextVersionIdMarker === "" ? undefined : NextVersionIdMarker;
      if (last === undefined || (last === cursor.after && versionId === cursor.versionId)) {
        throw wrong(session, "it does not go on");
      }
      return { objects, last, next: { after: last, ...(versionId !== undefined && { versionId }) } };
    },
    { signal },
  );
}

function common({ store, limits }: Session, Prefix: string) {
  return {
    ...{ Bucket: store.bucket, Prefix, MaxKeys: limits.page, EncodingType: "url" as const },
    // Tells what was restored from an archive; others need not know the header.
    ...(isAmazon(store) && { OptionalObjectAttributes: ["RestoreStatus" as const] }),
  };
}

/** Of each of millions: without anything that takes its time. */
function describe(session: Session, name: string, listed: ListedObject, versionId: string | undefined): Stored {
  const stored: Stored = {
    name,
    size: listed.Size ?? 0,
    token: tokenOf(versionId !== undefined, name, listed.ETag, versionId),
    modified: seconds(listed.LastModified),
    storageClass: classOf(listed.StorageClass),
  };
  const archived = archivedAs(session.store.bucket, name, listed);
  if (archived !== undefined) stored.archived = archived;
  return stored;
}

/** Names come escaped, because XML can not hold all of them; `+` is a blank to some stores. */
export const decoder =
  (encoding: string | undefined) =>
  (text: string): string =>
    encoding === "url" && ESCAPED.test(text) ? decodeURIComponent(text.replaceAll("+", " ")) : text;
const ESCAPED = /[%+]/;

/** Whether another page follows. Every listing says so; what does not is none, though it came as a success (I5). */
export function truncated(session: Session, { IsTruncated }: { IsTruncated?: boolean | undefined }): boolean {
  if (IsTruncated === undefined) throw wrong(session, "an answer is no listing");
  return IsTruncated;
}

/** A page that repeats or skips back would lose or double objects: names only ever grow. */
function inOrder(session: Session, prefix: string, cursor: Cursor, names: readonly string[], strictly: boolean): void {
  let before = cursor.after;
  for (const name of names) {
    const order = before === undefined ? -1 : compareKeys(before, name);
    if (order > 0 || (strictly && order === 0)) throw wrong(session, `${name} comes after ${before}`);
    if (!name.startsWith(prefix)) throw wrong(session, `${name} was not asked for`);
    before = name;
  }
}

const wrong = (session: Session, why: string) => unavailable(`the listing of ${session.address} is not sound: ${why}`);

/** Directories right behind a name, below `directory`: where a listing can be cut. */
export async function directoriesAfter(
  session: Session,
  directory: string,
  after: string,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const { sdk, client } = session;
  const input = { ...common(session, directory), Delimiter: "/" };
  const versioned = await session.versioned();
  return await session.ask(
    undefined,
    async (attempt) => {
      const { CommonPrefixes = [], EncodingType } = versioned
        ? await client.send(new sdk.ListObjectVersionsCommand({ ...input, KeyMarker: after }), {
            abortSignal: attempt.signal,
          })
        : await client.send(new sdk.ListObjectsV2Command({ ...input, StartAfter: after }), {
            abortSignal: attempt.signal,
          });
      const decode = decoder(EncodingType);
      return CommonPrefixes.map(({ Prefix = "" }) => decode(Prefix));
    },
    { signal },
  );
}
