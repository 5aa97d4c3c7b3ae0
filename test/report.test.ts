import { describe, expect, it } from "vitest";
import type { Action, ActionKind, Plan, PlanFooter } from "../src/plan/plan.js";
import { bytes, coloured, count, displayWidth, duration, middle, relative, table, wrap } from "../src/report/format.js";
import { planDocument } from "../src/report/json.js";
import { counterText, meter, openProgress } from "../src/report/progress.js";
import { renderPlan } from "../src/report/text.js";

const HASH = "ab".repeat(32);

interface Sketch {
  kind: ActionKind;
  rule?: string;
  line?: number;
  from: string;
  to?: string;
  size?: number;
  more?: Partial<Action>;
}

const ref = (address: string) => ({
  location: address.slice(0, address.indexOf(":")),
  key: address.slice(address.indexOf(":") + 1),
});

function action(sketch: Sketch, index: number): Action {
  const size = sketch.size ?? 1_200_000;
  return {
    type: "action",
    id: `a${index + 1}`,
    kind: sketch.kind,
    rule: { name: sketch.rule ?? "old-videos", line: sketch.line ?? 34 },
    reason: "rule",
    content: `sha256:${HASH}`,
    size,
    from: { ...ref(sketch.from), version: "v" },
    to: sketch.to ? { ...ref(sketch.to), expect: "absent" } : null,
    witnesses: [],
    depends_on: [],
    copies: { before: 2, after: 1 },
    required: 1,
    bytes: sketch.to ? size : 0,
    ...sketch.more,
  };
}

function planOf(sketches: Sketch[], footer: Partial<PlanFooter> = {}): Plan {
  const actions = sketches.map(action);
  const number = (kind: ActionKind) => actions.filter((each) => each.kind === kind).length;
  return {
    header: {
      type: "plan",
      format_version: "1.0",
      stowage_version: "0.1.0",
      plan_id: "p-0123456789abcdef",
      config: { digest: `sha256:${HASH}`, commit: null },
      created_at: "2026-03-01T12:00:00.000Z",
      evaluated_at: "2026-03-01T12:00:00.000Z",
      plan_ttl: 86_400_000,
      applyable: true,
      safety: { min_copies: 1, verify: "content", trash: 0 },
      scans: [],
    },
    actions,
    footer: {
      type: "end",
      summary: {
        copy: number("copy"),
        move: number("move"),
        delete: number("delete"),
        verify: number("verify"),
        blocked: footer.blocked?.length ?? 0,
        kept: footer.kept?.length ?? 0,
        bytes: actions.reduce((sum, each) => sum + each.bytes, 0),
        files: 48_211,
        locations: 4,
      },
      blocked: [],
      kept: [],
      conflicts: [],
      drift: [],
      checks: [{ name: "max_delete", status: "pass", problems: [] }],
      capacity: [],
      proof: { min_copies: 1, floor: 1, converges: true },
      digest: `sha256:${HASH}`,
      ...footer,
    },
  };
}

const WIDE_PLAN = planOf(
  [
    {
      kind: "copy",
      rule: "deliverables",
      line: 12,
      from: "primary:client-a/final/poster.png",
      to: "nas:client-a/final/poster.png",
    },
    {
      kind: "copy",
      rule: "deliverables",
      line: 12,
      from: "primary:client-a/final/teaser.mp4",
      to: "nas:client-a/final/teaser.mp4",
      size: 912_000_000,
    },
    {
      kind: "move",
      from: "primary:raw/2025/holiday in the mountains/DSC_0001 (edited, final, really final).mp4",
      to: "nas:videos/2025/07/DSC_0001 (edited, final, really final).mp4",
      size: 1_234_000_000_000,
    },
    { kind: "move", from: "primary:raw/a.mp4", to: "nas:videos/2025/07/a.mp4" },
    { kind: "move", from: "primary:raw/b.mp4", to: "nas:videos/b.mp4", more: { bytes: 0 } },
    { kind: "delete", rule: "scratch", line: 40, from: "primary:tmp/render.tmp", size: 0 },
    {
      kind: "delete",
      rule: "scratch",
      line: 40,
      from: "nas:tmp/loser.jpg",
      more: { reason: "conflict", copies: { before: 1, after: 0 } },
    },
    { kind: "verify", rule: "nas", line: 20, from: "nas:client-b/日本語の名前.jpg", more: { reason: "due" } },
  ],
  {
    blocked: [
      {
        address: "nas:client-a/cover.jpg",
        rule: "deliverables",
        code: "conflict",
        reason: "primary:client-a/cover.jpg has other content than the file that is there already",
      },
      { address: "old_hdd:", rule: "", code: "suspect", reason: "the marker is missing" },
    ],
    kept: [
      {
        address: "primary:only/copy.jpg",
        rule: "old-videos",
        code: "min-copies",
        reason: "it is the last verified copy",
      },
    ],
    conflicts: [
      {
        address: "nas:a.jpg",
        strategy: "newest",
        outcome: "primary:a.jpg is placed",
        claimants: [{ address: "primary:a.jpg", content: `sha256:${HASH}` }],
        occupant: { content: `sha256:${"cd".repeat(32)}` },
      },
    ],
    drift: [{ address: "primary:gone.jpg", kind: "missing", detail: "removed by hand" }],
    checks: [{ name: "max_delete", status: "fail", problems: ["512 deletes in primary, the limit is 500"] }],
    capacity: [
      { location: "nas", before: 1e12, peak: 3e12, after: 2e12, limit: 4e12 },
      { location: "primary", before: 1e12, peak: 1e12, after: 5e11, limit: null },
      { location: "idle", before: 5, peak: 5, after: 5, limit: null },
    ],
  },
);

describe("the plan as text (§5)", () => {
  it("groups by rule and route, and tells what it leaves and why", async () => {
    await expect(renderPlan(WIDE_PLAN)).toMatchFileSnapshot("report/plan.txt");
  });

  it("fits 80 columns when it is told to", async () => {
    const text = renderPlan(WIDE_PLAN, { width: 80 });
    expect(text.split("\n").filter((line) => displayWidth(line) > 80 && !line.startsWith("Plan:"))).toEqual([]);
    await expect(text).toMatchFileSnapshot("report/plan-80.txt");
  });

  it("colours only when it is told to, and changes nothing else", () => {
    const text = renderPlan(WIDE_PLAN, { paint: coloured });
    expect(text).toContain("\u001b[32m+\u001b[39m");
    expect(text.replaceAll(/\u001b\[\d+m/g, "")).toBe(renderPlan(WIDE_PLAN));
  });

  it("collapses a big group and shows it with verbose", () => {
    const many = planOf(
      Array.from({ length: 1224 }, (_, index) => ({
        kind: "copy" as const,
        from: `a:${index}.jpg`,
        to: `b:${index}.jpg`,
      })),
    );
    expect(renderPlan(many)).toContain("… and 1,204 more, 1.4 GB (show with -v or --json)");
    expect(renderPlan(many).split("\n").length).toBeLessThan(30);
    expect(renderPlan(many, { verbose: true })).toContain("+ 1223.jpg");
  });

  it("ends with the frozen line", () => {
    const last = (plan: Plan) => renderPlan(plan).trimEnd().split("\n").at(-1);
    expect(last(WIDE_PLAN)).toBe(
      "Plan: 2 to copy, 3 to move, 2 to delete, 1 to verify, 2 blocked. 1.2 TB to transfer.",
    );
    expect(last(planOf([]))).toBe("No changes. 48,211 files in 4 locations match storage.yaml.");
    const blocked = [{ address: "a:x", rule: "r", code: "conflict", reason: "taken" }];
    expect(last(planOf([], { blocked }))).toBe(
      "Plan: 0 to copy, 0 to move, 0 to delete, 0 to verify, 1 blocked. 0 B to transfer.",
    );
  });

  it("never lets a name reach the terminal as control or bidi characters (§7)", () => {
    const evil = "a:\u001b[2Jx\u202egpj\nPlan: 0.jpg";
    const text = renderPlan(
      planOf([{ kind: "copy", rule: "r\u0007", from: evil, to: `b:${evil.slice(2)}` }], {
        blocked: [{ address: evil, rule: "r\u0007", code: "conflict", reason: `${evil} is taken` }],
        kept: [{ address: evil, rule: "r", code: "min-copies", reason: evil }],
        drift: [{ address: evil, kind: "missing", detail: evil }],
      }),
    );
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    expect(text).toContain("\\x1b[2Jx\\u{202e}gpj\\nPlan: 0.jpg");
  });
});

describe("show --json (§5)", () => {
  it("is one document: the header's and footer's fields at the top, and the actions", () => {
    const document = JSON.parse([...planDocument(WIDE_PLAN)].join(""));
    const { type: _type, ...footer } = WIDE_PLAN.footer;
    expect(document).toEqual({ ...WIDE_PLAN.header, ...footer, actions: WIDE_PLAN.actions });
    expect(JSON.parse([...planDocument(planOf([]))].join("")).actions).toEqual([]);
  });
});

describe("names", () => {
  it("S15 that differ in their Unicode form only are told apart, and no others", () => {
    const blocked = [
      "primary:\u00e9",
      "primary:e\u0301",
      "primary:\u00e9e\u0301",
      "primary:\u00e9\u00e9",
      "nas:u\u0308",
    ].map((address) => ({ address, rule: "r", code: "conflict", reason: "taken" }));
    expect(renderPlan(planOf([], { blocked })).match(/^ {4}! .*/gm)).toEqual([
      "    ! primary:\u00e9",
      "    ! primary:e\u0301 (NFD)",
      "    ! primary:\u00e9e\u0301 (not NFC)",
      "    ! primary:\u00e9\u00e9",
      "    ! nas:u\u0308",
    ]);
  });

  it("S15 are told apart where a conflict is settled, also between locations", () => {
    const claimants = [{ address: "primary:e\u0301", content: `sha256:${HASH}` }];
    const settled = { address: "nas:\u00e9", strategy: "newest", outcome: "the newest", claimants, occupant: null };
    const text = renderPlan(planOf([], { conflicts: [settled] }));
    expect(text).toContain("  nas:\u00e9\n");
    expect(text).toContain("    primary:e\u0301 (NFD)  ab");
  });
});

describe("numbers", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 KB"],
    [1_250_000, "1.3 MB"],
    [99_960_000, "100 MB"],
    [999_499_999, "999 MB"],
    [999_500_000, "1.0 GB"],
    [1_234_000_000_000, "1.2 TB"],
  ])("%d bytes are %s", (value, text) => expect(bytes(value)).toBe(text));

  it.each([
    [0, "0"],
    [999, "999"],
    [48_211, "48,211"],
    [1_000_000, "1,000,000"],
  ])("%d is counted as %s", (value, text) => expect(count(value)).toBe(text));

  it.each([
    [0, "0ms"],
    [4_290, "4.2s"],
    [59_999, "59s"],
    [125_000, "2min 5s"],
    [3_600_000, "1h"],
    [12_000_000, "3h 20min"],
    [90_000_000, "1d 1h"],
  ])("%d ms last %s", (value, text) => expect(duration(value)).toBe(text));

  it("tells the distance of an instant", () => {
    expect(relative(0, 7_800_000)).toBe("2h ago");
    expect(relative(0, 4_290)).toBe("4s ago");
    expect(relative(7_200_000, 0)).toBe("in 2h");
    expect(relative(5, 10)).toBe("just now");
  });
});

describe("columns", () => {
  it.each([
    ["abcdefghij", 10, "abcdefghij"],
    ["abcdefghij", 6, "ab…hij"],
    ["日本語日本語", 7, "日…語"],
    ["x", 0, ""],
  ])("%s in %d columns is %s", (text, width, cut) => {
    expect(middle(text, width)).toBe(cut);
    expect(displayWidth(cut)).toBeLessThanOrEqual(width);
  });

  it("wraps words, never inside one", () => {
    expect(wrap("one two three-and-a-half four", 9, "  ")).toEqual(["  one two", "  three-and-a-half", "  four"]);
  });

  it("aligns a table and escapes its cells", () => {
    const columns = [
      { title: "name", flexible: true },
      { title: "size", align: "right" as const },
    ];
    expect(
      table(
        columns,
        [
          ["a\u001b", "12 B"],
          ["a much longer name", "1.2 GB"],
        ],
        { width: 20 },
      ),
    ).toEqual(["name            size", "a\\x1b           12 B", "a muc…r name  1.2 GB"]);
  });
});

describe("progress", () => {
  function recorder(style: "lines" | "none") {
    let now = 0;
    const written: string[] = [];
    const progress = openProgress({
      style,
      stream: { write: (text: string) => written.push(text) },
      clock: () => now,
    });
    const tick = (ms: number): void => {
      now += ms;
    };
    return { progress, written, tick };
  }

  it("prints lines now and then without a terminal: at the start, every five seconds, at the end", async () => {
    const { progress, written, tick } = recorder("lines");
    const phase = await progress.phase("Scanning", ["primary", "nas"]);
    for (let second = 0; second < 12; second += 1) {
      tick(1000);
      phase.update("primary", { files: second, bytes: (second + 1) * 1e6, totalBytes: 20e6 });
    }
    phase.finish("primary");
    phase.fail("nas", "not mounted");
    await phase.end();
    expect(written).toEqual([
      "Scanning …\n",
      "Scanning: primary  4 files  5.0 MB of 20.0 MB  1.0 MB/s  15s left\n",
      "Scanning: primary  9 files  10.0 MB of 20.0 MB  1.0 MB/s  10s left\n",
      "Scanning: primary  11 files  12.0 MB of 20.0 MB  1.0 MB/s  8.0s left\n",
      "Scanning: nas      not mounted\n",
      "Scanning: done in 12s\n",
    ]);
  });

  it("is silent when told, but for notes", async () => {
    const { progress, written } = recorder("none");
    const phase = await progress.phase("Scanning", ["primary"]);
    phase.update("primary", { files: 1, bytes: 1 });
    progress.note("stopping");
    await phase.end();
    expect(written).toEqual(["stopping\n"]);
  });

  it("measures the rate over the last seconds only", () => {
    let now = 0;
    const measure = meter(() => now);
    expect(measure(0)).toEqual({});
    for (let second = 1; second <= 60; second += 1) {
      now = second * 1000;
      measure(second <= 30 ? second * 100 : 3000 + (second - 30) * 10);
    }
    expect(Math.round(measure(3300).perSecond ?? 0)).toBe(10);
    expect(counterText({ files: 1, bytes: 0 })).toBe("1 file");
  });

  it("measures the rate from the first bytes on", () => {
    let now = 0;
    const measure = meter(() => now);
    for (const [time, total] of [
      [0, 0],
      [8000, 0],
      [9000, 1000],
    ] as const) {
      now = time;
      measure(total);
    }
    now = 10_000;
    expect(measure(2000).perSecond).toBe(1000);
  });

  it("promises nothing after the first bytes of many", () => {
    const rate = { perSecond: 289 };
    expect(counterText({ files: 0, totalFiles: 9, bytes: 1_600, totalBytes: 25e6 }, rate)).not.toContain("left");
    expect(counterText({ files: 1, totalFiles: 9, bytes: 250e3, totalBytes: 25e6 }, rate)).toContain("left");
    expect(counterText({ files: 1, totalFiles: 9, bytes: 100e6, totalBytes: 1e15 }, rate)).toContain("left");
  });

  it("does not call done what was stopped", async () => {
    const { progress, written } = recorder("lines");
    await (await progress.phase("Scanning", ["primary"])).end(false);
    expect(written.at(-1)).toMatch(/^Scanning: ended after /);
  });
});
