import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { codeOf } from "../lib/error.js";

/** The schema as it is shipped. */
export const schemaFile = (): string => fileURLToPath(new URL("../../schema/storage.schema.json", import.meta.url));

const STARTER = `# yaml-language-server: $schema=.stowage/storage.schema.json
#
# Where every file should be. \`stowage plan\` shows what would move; \`stowage apply\` moves it.
version: 1

safety:
  min_copies: 1 # no step of any plan may leave a file with fewer verified copies
  trash: 30d # what is deleted, or loses a conflict, waits this long

locations:
  - name: primary
    type: local
    path: ./library # put your own path here; ~ and \${VARIABLE:-default} work
    priority: 100 # higher is read from first
    purpose: [inbox, organized]
    exclude: ["*.tmp", ".DS_Store"]
    # layout: "{project}/**" # names parts of the path, to match on
  - name: backup
    type: local # for an SMB or NFS mount: type: network, and mount_path: instead of path:
    path: ./backup
    priority: 50
    purpose: [backup]

rules:
  # the first match decides
  - name: back-up-everything
    match: {}
    action: copy
    destination: backup
  # - name: old-videos
  #   match: { media_type: video, age: ">90d" }
  #   action: move
  #   from: [primary]
  #   destination: archive
  #   key: "{modified:%Y/%m}/{filename}"
  - default: primary
`;

/** Writes a storage.yaml to begin with; false when there is one, which is never touched. */
export async function writeStarter(file: string): Promise<boolean> {
  try {
    await writeFile(file, STARTER, { flag: "wx" });
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** Puts the schema beside the catalog, for the editor's modeline. */
export async function writeSchema(state: string): Promise<void> {
  await mkdir(state, { recursive: true });
  await copyFile(schemaFile(), join(state, "storage.schema.json"));
}

/** Makes git ignore the state directory; false when it does already. */
export async function ignoreState(file: string): Promise<boolean> {
  const path = join(dirname(file), ".gitignore");
  let text = "";
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
  if (text.split(/\r?\n/).some((line) => /^\/?\.stowage\/?$/.test(line.trim()))) return false;
  await writeFile(path, `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}.stowage/\n`);
  return true;
}
