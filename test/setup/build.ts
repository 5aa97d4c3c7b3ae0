import { execFileSync } from "node:child_process";

/** Worker threads and the CLI run from dist/: build it once before any test. */
export default function build(): void {
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], {
    stdio: "inherit",
  });
}
