import { StowageError } from "../../lib/error.js";
import type { Condition, Stored } from "../store.js";
import { tokenParts } from "./object.js";
import { decoder, truncated } from "./page.js";
import { isAmazon, type Session } from "./session.js";

/**
 * Many stores ignore the conditions of writes in versioned buckets, where nothing is lost by that: what was replaced lies right below. So it is looked
 * at what lies there, and a version that should not have been written is taken back.
 * @throws `PRECONDITION` after that
 */
export async function heldBelow(session: Session, stored: Stored, condition: Condition): Promise<Stored> {
  if (isAmazon(session.store) || !(await session.versioned())) return stored;
  const { versionId = "null" } = tokenParts(stored.token);
  const [below] = await session.ask(stored.name, ({ signal }) => versionsOf(session, stored.name, signal, versionId));
  const there = below?.marker ? undefined : below?.id;
  if (there === ("token" in condition ? tokenParts(condition.token).versionId : undefined)) return stored;
  await takeBack(session, stored.name, versionId);
  throw replaced(stored.name);
}

/**
 * Removes for good what this process itself has just put on top. Never the version `null`: that is what was there before the bucket kept versions, or a store
 * did not tell which version it has made.
 */
export async function takeBack(session: Session, name: string, versionId: string): Promise<void> {
  if (versionId === "null") {
    throw new StowageError(
      "PRECONDITION",
      `${name} is another version by now, and the store does not say what it has made`,
      {
        hint: "Look at the versions under that name: nothing of it was removed.",
      },
    );
  }
  await session.ask(name, ({ signal }) => deletion(session, name, signal, { VersionId: versionId }));
}

export const deletion = (
  session: Session,
  name: string,
  signal: AbortSignal,
  more: { IfMatch?: string; VersionId?: string },
) =>
  session.client.send(new session.sdk.DeleteObjectCommand({ Bucket: session.store.bucket, Key: name, ...more }), {
    abortSignal: signal,
  });

export interface Version {
  id: string;
  marker: boolean;
}

/**
 * What lies under the name, newest first: the versions, after the delete marker that hides them, if any; or only the entry right below `under`.
 */
export async function versionsOf(
  session: Session,
  name: string,
  signal: AbortSignal,
  under?: string,
): Promise<Version[]> {
  if (under !== undefined) return await versionPage(session, name, signal, under, 1);
  const page = await versionPage(session, name, signal, under, MANY);
  return page.filter(({ marker, latest }) => !marker || latest).sort((a, b) => Number(b.latest) - Number(a.latest));
}

const MANY = 100;

async function versionPage(
  session: Session,
  name: string,
  signal: AbortSignal,
  under: string | undefined,
  MaxKeys: number,
): Promise<(Version & { latest: boolean })[]> {
  const { sdk, client, store } = session;
  const input = {
    ...{ Bucket: store.bucket, Prefix: name, MaxKeys, EncodingType: "url" as const },
    ...(under !== undefined && { KeyMarker: name, VersionIdMarker: under }),
  };
  const answer = await client.send(new sdk.ListObjectVersionsCommand(input), { abortSignal: signal });
  truncated(session, answer);
  const { Versions, DeleteMarkers, EncodingType } = answer;
  const decode = decoder(EncodingType);
  const own = <T extends { Key?: string | undefined }>(entries: T[] | undefined) =>
    (entries ?? []).filter(({ Key = "" }) => decode(Key) === name);
  const entry = (marker: boolean) => (each: { VersionId?: string | undefined; IsLatest?: boolean | undefined }) => ({
    ...{ id: each.VersionId ?? "null", marker, latest: each.IsLatest === true },
  });
  return [...own(Versions).map(entry(false)), ...own(DeleteMarkers).map(entry(true))];
}

export const replaced = (name: string) => new StowageError("PRECONDITION", `${name} is another version by now`);
export const absent = (name: string) => new StowageError("NOT_FOUND", `${name} does not exist`);
