import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { contentsBelow, filesBelow, REPOSITORY, run, scratchFolder, stowage } from "./example-kit.js";

const EXAMPLES = join(REPOSITORY, "examples");
const LIBRARY = join(EXAMPLES, "library");

interface Example {
  file: string;
  env?: Record<string, string>;
  /** Files that must be there after the apply, below the scratch folder. */
  there: string[];
  /** … and must not. */
  gone: string[];
}

const examples: Example[] = [
  {
    file: "storage.yaml",
    there: [
      "primary/legal/contract-acme.pdf",
      "nas/client-acme/deliverable/style guide.pdf",
      "nas/client-borealis/hero/aurora-01.jpg",
      "archive/renders/2024/04/turntable-01.mp4",
      "archive/client-acme/2024/02/cutdown-rough.mp4",
      "primary/renders/turntable-03.mp4",
      "primary/client-acme/deliverable/cutdown-6s.mp4",
      "primary/tmp/mask-new.png",
      "primary/personal/2024-zürich/Zürich am See.jpg",
    ],
    gone: [
      "primary/renders/turntable-01.mp4",
      "primary/tmp/render.lock",
      "primary/tmp/hero-01 (copy).jpg",
      "nas/renders/turntable-01.mp4",
    ],
  },
  {
    file: "examples/hot-storage.yaml",
    there: ["hot-ssd/tmp/mask-new.png", "inbox/tmp/mask-new.png"],
    gone: ["hot-ssd/renders/turntable-03.mp4", "hot-ssd/client-acme/hero/hero-01.jpg"],
  },
  {
    file: "examples/rules-engine.yaml",
    env: { LARGE_FILE: "60KB" },
    there: [
      "s3_archive/renders/turntable-01.mp4",
      "s3_archive/client-acme/deliverable/cutdown-6s.mp4",
      "external_backup/client-acme/deliverable/cutdown-6s.mp4",
      "external_backup/client-borealis/deliverable/jingle.wav",
      "cold_storage/client-borealis/deliverable/jingle.wav",
      "cold_storage/renders/turntable-03.mp4",
      "primary/notes/ideas.md",
    ],
    gone: [
      "primary/renders/turntable-01.mp4",
      "primary/client-borealis/deliverable/jingle.wav",
      "external_backup/notes/ideas.md",
    ],
  },
  {
    file: "examples/tiers.yaml",
    there: [
      "fast-ssd/renders/turntable-03.mp4",
      "fast-ssd/notes/shot-list.md",
      "cold-storage/alice-archive/legal/contract-acme.pdf",
    ],
    gone: ["fast-ssd/legal/contract-acme.pdf", "archive-hdd/legal/contract-acme.pdf"],
  },
  {
    file: "examples/cloud-backup.yaml",
    there: ["backup/notes/shot-list.md", "s3-archive/alice/notes/ideas.md", "pictures/notes/ideas.md"],
    gone: [
      "s3-archive/alice/renders/turntable-01.mp4",
      "s3-archive/alice/notes/shot-list.md",
      "gcs-backup/alice/notes/ideas.md",
    ],
  },
  {
    file: "examples/ai-orchestrator.yaml",
    there: [
      "archives/2024/03/projects/client-acme/deliverable/voice-over.wav",
      "backups/projects/client-acme/deliverable/voice-over.wav",
      "storage/projects/notes/shot-list.md",
      "backups/projects/notes/shot-list.md",
      "storage/cache/mask-new.png",
      "storage/templates/contract-acme.pdf",
    ],
    gone: [
      "storage/projects/client-acme/deliverable/voice-over.wav",
      "storage/cache/mask-old.png",
      "archives/2024/01/templates/contract-acme.pdf",
    ],
  },
  {
    file: "examples/boards.yaml",
    env: { LARGE_VIDEO: "100KB" },
    there: [
      "s3/renders/turntable-01.mp4",
      "supabase/models/aurora-style.safetensors",
      "supabase/renders/turntable-02.mp4",
      "local/renders/turntable-02.mp4",
    ],
    gone: ["local/renders/turntable-01.mp4", "local/models/aurora-style.safetensors", "local/tmp/mask-old.png"],
  },
];

describe.each(examples)("$file", ({ file, env = {}, there, gone }) => {
  const home = join(scratchFolder(), "scratch");
  const plan = join(home, "plan.ndjson");
  const command = (...args: string[]) =>
    stowage([...args, "--config", join(REPOSITORY, file)], { env: { ...env, STOWAGE_HOME: home } });

  it("is valid, canonical and without a finding of lint", () => {
    expect(command("validate")).toMatchObject({ code: 0 });
    expect(command("fmt", "--check")).toMatchObject({ code: 0 });
    expect(command("lint")).toMatchObject({ code: 0 });
  });

  it("runs on the example library from init to an apply after which the plan is empty (S2, S12)", () => {
    const laid = run(["examples/start.js", file], { env: { ...env, STOWAGE_HOME: home } });
    expect(laid).toMatchObject({ code: 0 });
    expect(laid.out).toMatch(/\nNo changes\. \d+ files in \d+ locations match /);
    expect(command("show", plan)).toMatchObject({ code: 0 });
  });

  it("puts every file where its rules say, and loses no content", () => {
    const after = filesBelow(home);
    expect(after).toEqual(expect.arrayContaining(there));
    expect(after.filter((path) => gone.includes(path))).toEqual([]);
    const kept = contentsBelow(home);
    expect([...contentsBelow(LIBRARY)].filter((content) => !kept.has(content))).toEqual([]);
  });
});

describe("older spellings", () => {
  const older = readdirSync(EXAMPLES).filter((name) => name.endsWith(".older.yaml"));

  it.each(older)("fmt turns %s into the canonical example", (name) => {
    const folder = scratchFolder();
    copyFileSync(join(EXAMPLES, name), join(folder, name));
    const command = (...args: string[]) => stowage([...args, "--config", name], { cwd: folder });
    expect(command("validate")).toMatchObject({ code: 0 });
    expect(command("fmt", "--check")).toMatchObject({ code: 1 });
    expect(command("fmt")).toMatchObject({ code: 0 });
    const canonical = readFileSync(join(EXAMPLES, name.replace(".older.yaml", ".yaml")), "utf8");
    expect(readFileSync(join(folder, name), "utf8")).toBe(canonical);
  });
});

it("every example file is run here", () => {
  const files = readdirSync(EXAMPLES).filter((name) => name.endsWith(".yaml") && !name.endsWith(".older.yaml"));
  expect(examples.map(({ file }) => basename(file)).sort()).toEqual([...files, "storage.yaml"].sort());
});

describe("npm start", () => {
  it("leaves a folder alone that is not empty and that it did not make", () => {
    const folder = scratchFolder();
    mkdirSync(join(folder, "photos"));
    writeFileSync(join(folder, "photos", "mine.jpg"), "mine");
    const ran = run(["examples/start.js"], { env: { STOWAGE_HOME: folder } });
    expect(ran.code).not.toBe(0);
    expect(ran.err).toContain("was not made by this script");
    expect(filesBelow(folder)).toEqual(["photos/mine.jpg"]);
  });

  it("empties the folder that it made when it runs again, and only then", () => {
    const folder = scratchFolder();
    const empty = () =>
      run(["-e", 'import("./examples/scratch.js").then((scratch) => scratch.emptyScratch())'], {
        env: { STOWAGE_HOME: folder },
      });
    expect(empty()).toMatchObject({ code: 0 });
    writeFileSync(join(folder, "left-over.txt"), "of the first time");
    expect(empty()).toMatchObject({ code: 0 });
    expect(filesBelow(folder)).toEqual([]);
    expect(readdirSync(folder)).toEqual([".stowage-example"]);
  });
});

it("examples/api.js does through the API what npm start does", () => {
  const home = join(scratchFolder(), "scratch");
  const ran = run(["examples/api.js"], { env: { STOWAGE_HOME: home } });
  expect(ran).toMatchObject({ code: 0 });
  expect(ran.out).toMatch(/\nThe second plan has 0 actions\.\n$/);
  expect(filesBelow(home)).toEqual(expect.arrayContaining(["archive/renders/2024/04/turntable-01.mp4"]));
});

it("rclone finds the same bytes, and mtimes are kept, where an example copies everything", ({ skip }) => {
  skip(spawnSync("rclone", ["version"]).status !== 0, "rclone is not installed");
  const home = join(scratchFolder(), "scratch");
  expect(run(["examples/start.js", "examples/cloud-backup.yaml"], { env: { STOWAGE_HOME: home } })).toMatchObject({
    code: 0,
  });
  const [original, copy] = [join(home, "pictures"), join(home, "backup")];
  const own = ["--exclude", "/.stowage-*", "--exclude", "/.stowage-*/**"];
  const check = spawnSync("rclone", ["check", "--download", ...own, original, copy], { encoding: "utf8" });
  expect(check.stderr).toMatch(/ 0 differences found/);
  expect(check.status).toBe(0);
  const times = (root: string) =>
    filesBelow(root).map((path) => `${path} ${statSync(join(root, path), { bigint: true }).mtimeNs}`);
  expect(times(copy)).toEqual(times(original));
});

it("the library is small and of many kinds", () => {
  const files = filesBelow(LIBRARY);
  const kinds = new Set(files.map((path) => path.slice(path.lastIndexOf(".") + 1)));
  expect(files.length).toBeGreaterThan(36);
  expect([...kinds]).toEqual(expect.arrayContaining(["jpg", "png", "webp", "gif", "mp4", "wav", "pdf", "md", "txt"]));
});
