import { execFileSync } from "node:child_process";

/** Worker threads and the CLI run from dist/: build it once before any test. */
export default function build(): void {
  execFileSync("npm", ["run", "build", "--silent"], { stdio: "inherit" });
}
