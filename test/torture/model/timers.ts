/** In place of `node:timers/promises`. */
export { sleep as setTimeout } from "./globals.js";
