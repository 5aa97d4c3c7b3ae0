#!/usr/bin/env node
// The linter follows imports that it can read, and would follow this one through all that is bundled.
const { main } = await import(new URL("../dist/bin/main.js", import.meta.url).href);

await main(process.argv.slice(2), import.meta.url);
