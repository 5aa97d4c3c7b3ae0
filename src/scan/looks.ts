import { openLooks } from "../backend/looks.js";

/** Those of this thread. Few files are looked at sooner than it takes to load what looks faster. */
export const { lstat, fstat } = openLooks(1_000);
