/** The years 1779 and 2261: the catalog holds nanoseconds in 64 bits, and so must the differences to any clock. */
export const EARLIEST = -6_000_000_000_000_000_000n;
export const LATEST = 9_200_000_000_000_000_000n;

/** A time beyond is that of the end: the file itself keeps its own, and so do its copies. */
export const storable = (mtime: bigint): bigint => (mtime > LATEST ? LATEST : mtime < EARLIEST ? EARLIEST : mtime);

/** False for what the catalog has of a time beyond. */
export const isExact = (mtime: bigint): boolean => mtime > EARLIEST && mtime < LATEST;
