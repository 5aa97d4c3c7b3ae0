/** stowage's own names at the root of every location. */
export const MARKER = ".stowage-location";
export const TEMPORARY = ".stowage-tmp";
export const TRASH = ".stowage-trash";
export const LOCK = ".stowage-lock";
export const JOURNALS = ".stowage-journal";

export const OWN_NAMES: readonly string[] = [MARKER, TEMPORARY, TRASH, LOCK, JOURNALS];

/** True for stowage's own files at the root of a location. */
export const isOwn = (firstSegment: string): boolean => OWN_NAMES.includes(firstSegment);

/** What a marker says. */
export const markerText = (uuid: string): string =>
  `# Written by stowage init: it tells this location from an empty mount point. Keep it.\nuuid: ${uuid}\n`;

/** The UUID in a marker; undefined when it can not be understood. */
export const uuidOf = (text: string): string | undefined =>
  /^\s*uuid:\s*([0-9a-f-]{8,64})\s*$/im.exec(text)?.[1]?.toLowerCase();
