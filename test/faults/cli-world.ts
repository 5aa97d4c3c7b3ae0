import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeWorld, type World } from "./look.js";

/** What `stowage apply --auto-approve` makes of it follows from storage.yaml. */
export const CLI_WORLD: World = {
  locations: ["a", "b", "c"],
  state: ".stowage",
  before: {
    "a:photos/one": "one",
    "a:inbox/two": "two",
    "a:old/name": "three",
    "a:tmp/junk": "junk",
    "a:x/y": "winner",
    "b:x/y": "loser",
    "a:both": "several",
    "a:empty/file": "",
  },
  links: [["a:inbox/two", "a:inbox/second"]],
  after: {
    "a:photos/one": "one",
    "b:photos/one": "one",
    "b:inbox/two": "two",
    "b:inbox/second": "two",
    "a:new/name": "three",
    "b:x/y": "winner",
    "b:both": "several",
    "c:both": "several",
    "b:empty/file": "",
  },
  mayGo: ["loser", "junk"],
};

const CONFIG = `version: 1
safety: { trash: 30d, max_delete: { files: 100, percent: 100 } }
settings: { transfer: { concurrency: 1, retries: 1 } }
locations:
  - { name: a, type: local, path: ./a, priority: 100, purpose: [inbox] }
  - { name: b, type: local, path: ./b, priority: 50, purpose: [backup] }
  - { name: c, type: local, path: ./c, priority: 25, purpose: [backup] }
rules:
  - { name: photos, match: { path: "/photos/**" }, action: copy, destination: b }
  - { name: junk, match: { path: "/tmp/**" }, action: delete, allow_last_copy: true }
  - { name: rename, match: { path: "/old/**" }, action: move, from: [a], destination: a, key: "new/{filename}" }
  - { name: conflict, match: { path: "/x/**", location: a }, action: move, destination: b, on_conflict: largest }
  - { name: both, match: { path: "/both" }, action: move, destination: [b, c] }
  - { name: rest, match: { path: ["/inbox/**", "/empty/**"] }, action: move, destination: b }
`;

export async function makeCliWorld(base: string): Promise<void> {
  await makeWorld(base, CLI_WORLD);
  writeFileSync(join(base, "storage.yaml"), CONFIG);
}
