import { sha256Hex } from "../../src/lib/json.js";
import type { Action, Plan, PlanFooter, PlanHeader } from "../../src/plan/plan.js";
import { planText, seal } from "../../src/plan/seal.js";
import { type Facts, goodPlan, KEYS, textOf } from "./plans.js";
import type { Random } from "./random.js";

/** What a plan may hold once somebody writes it by hand. */
type Loose = Record<string, unknown>;

interface Parts {
  header: Loose;
  actions: Loose[];
  footer: Loose;
}

export interface Forged {
  name: string;
  text: string;
}

/** Signed anew by whoever changed it: digest and id are right. */
function signed({ header, actions, footer }: Parts): string {
  const plan = seal(header as unknown as PlanHeader, actions as unknown as Action[], footer as unknown as PlanFooter);
  return [...planText(plan)].join("");
}

function partsOf(plan: Plan): Parts {
  const { plan_id: _, ...header } = structuredClone(plan.header);
  const { digest: __, ...footer } = structuredClone(plan.footer);
  return {
    header: header as unknown as Loose,
    actions: structuredClone(plan.actions) as unknown as Loose[],
    footer: footer as unknown as Loose,
  };
}

function forge(name: string, change: (parts: Parts) => void): Forged {
  const parts = partsOf(goodPlan());
  change(parts);
  return { name, text: signed(parts) };
}

const at = (parts: Parts, index: number): Loose => parts.actions[index]!;
const below = (value: unknown): Loose => value as Loose;

/** Plans with a right digest that no planner writes: each has to be refused. */
export function forgedPlans(): Forged[] {
  return [
    ...KEYS.flatMap((key) => [
      forge(
        `copies from ${JSON.stringify(key)}`,
        (parts) => void Object.assign(below(at(parts, 0)["from"]), { key: key }),
      ),
      forge(`copies to ${JSON.stringify(key)}`, (parts) => void Object.assign(below(at(parts, 0)["to"]), { key: key })),
      forge(`moves to ${JSON.stringify(key)}`, (parts) => void Object.assign(below(at(parts, 1)["to"]), { key: key })),
      forge(`deletes ${JSON.stringify(key)}`, (parts) => void Object.assign(below(at(parts, 2)["from"]), { key: key })),
      forge(
        `believes ${JSON.stringify(key)}`,
        (parts) => void Object.assign(below((at(parts, 2)["witnesses"] as Loose[])[0]), { key }),
      ),
    ]),
    ...["c", "", "__proto__", "constructor", "a\u202e"].flatMap((location) => [
      forge(
        `copies to the location ${location}`,
        (parts) => void Object.assign(below(at(parts, 0)["to"]), { location: location }),
      ),
      forge(
        `deletes in the location ${location}`,
        (parts) => void Object.assign(below(at(parts, 2)["from"]), { location }),
      ),
      forge(
        `believes the location ${location}`,
        (parts) => void Object.assign(below((at(parts, 2)["witnesses"] as Loose[])[0]), { location }),
      ),
    ]),
    ...["purge", "exec", "", "__proto__", null, 1].map((kind) =>
      forge(`does ${kind}`, (parts) => void Object.assign(at(parts, 0), { kind: kind })),
    ),
    forge("waits for itself", (parts) => void Object.assign(at(parts, 2), { depends_on: ["a3"] })),
    forge("waits in a circle", (parts) => {
      at(parts, 0)["depends_on"] = ["a3"];
    }),
    forge("waits for what is not there", (parts) => void Object.assign(at(parts, 2), { depends_on: ["a99"] })),
    forge("one id twice", (parts) => void Object.assign(at(parts, 1), { id: "a1" })),
    forge(
      "deletes without the witnesses that it needs",
      (parts) => void Object.assign(at(parts, 2), { witnesses: [] }),
    ),
    forge(
      "deletes what vouches for itself",
      (parts) => void Object.assign(at(parts, 2), { witnesses: [at(parts, 2)["from"]] }),
    ),
    forge(
      "deletes and needs nobody, although somebody is named",
      (parts) => void Object.assign(at(parts, 2), { required: 0 }),
    ),
    forge("counts one witness twice", (parts) => {
      const [witness] = at(parts, 2)["witnesses"] as Loose[];
      Object.assign(at(parts, 2), { witnesses: [witness, { ...witness, key: "other" }], required: 2 });
    }),
    forge("moves without anybody who vouches", (parts) => Object.assign(at(parts, 1), { witnesses: [], required: 0 })),
    forge("moves nowhere", (parts) => void Object.assign(at(parts, 1), { to: null })),
    forge("deletes to somewhere", (parts) => void Object.assign(at(parts, 2), { to: at(parts, 1)["to"] })),
    forge("one location twice", (parts) =>
      (parts.header["scans"] as unknown[]).push((parts.header["scans"] as unknown[])[0]),
    ),
    forge("other numbers in its summary", (parts) => void Object.assign(below(parts.footer["summary"]), { delete: 0 })),
    forge("other kinds in its summary", (parts) =>
      Object.assign(below(parts.footer["summary"]), { copy: 2, delete: 0 }),
    ),
    forge("no action, but a summary", (parts) => void parts.actions.splice(0)),
    forge("made at no time", (parts) => void Object.assign(parts.header, { created_at: "whenever" })),
    forge("never too old", (parts) => void Object.assign(parts.header, { plan_ttl: "forever" })),
  ];
}

/** A plan with a right digest whose first action nests so deeply that it can not be written again. */
export function deepPlan(depth: number): string {
  const deep = textOf(goodPlan()).replace('"id":"a1"', `"id":"a1","more":${"[".repeat(depth)}${"]".repeat(depth)}`);
  const end = deep.lastIndexOf("\n", deep.length - 2) + 1;
  return (
    deep.slice(0, end) +
    deep.slice(end).replace(/sha256:[0-9a-f]{64}(?="}\n$)/, `sha256:${sha256Hex(deep.slice(0, end))}`)
  );
}

/** In the place of any value. */
const VALUES: readonly unknown[] = [
  ...[
    null,
    true,
    -1,
    0,
    1.5,
    2 ** 60,
    "",
    "x",
    [],
    {},
    [null],
    ["../x"],
    { location: "a" },
    "../../x",
    "a\0b",
    "sha256:00",
  ],
];

/** The good plan with one value or field changed at any place, signed anew. */
export function randomForged({ below: any, pick }: Random, facts?: Facts): Forged {
  const parts = partsOf(goodPlan(facts));
  const places = [
    ...placesIn(parts.header, "header"),
    ...placesIn(parts.actions, "actions"),
    ...placesIn(parts.footer, "footer"),
  ];
  const { holder, name, path } = pick(places);
  const value = pick(VALUES);
  if (any(4) === 0 && !Array.isArray(holder)) delete holder[name];
  else holder[name] = value;
  return { name: `${path} = ${name in holder ? JSON.stringify(holder[name]) : "nothing"}`, text: signed(parts) };
}

function* placesIn(value: unknown, path: string): Generator<{ holder: Loose; name: string; path: string }> {
  if (typeof value !== "object" || value === null) return;
  for (const [name, inner] of Object.entries(value)) {
    yield { holder: value as Loose, name, path: `${path}.${name}` };
    yield* placesIn(inner, `${path}.${name}`);
  }
}
