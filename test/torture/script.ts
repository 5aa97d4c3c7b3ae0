import type { Action, Plan } from "../../src/plan/plan.js";
import type { FaultKind } from "./model/computer.js";

/** All that happens in one schedule but for the order of turns, which follows from the seed. Plain data: it can be cut down. */
export interface Script {
  seed: number;
  /** Milliseconds; 0 = none. */
  trash: number;
  verify: "content" | "checksum";
  places: PlaceSpec[];
  /** In the order of the configuration. */
  locations: { name: string; place: string }[];
  files: { place: string; key: string; text: string; linkTo?: string; claim?: string }[];
  plans: Plan[];
  appliers: Applier[];
  /** Also what a process does in its own state directory can be cut short or delayed at each call. */
  fine: boolean;
  events: Event[];
  /** Milliseconds after the rest; none where unset. */
  gc?: number;
}

export interface PlaceSpec {
  name: string;
  kind: "directory" | "bucket";
  hardLinks: boolean;
  /** The place on whose disk it lies too. */
  with?: string;
  versioned: boolean;
  hashes: boolean;
  copies: boolean;
}

export interface Applier {
  name: string;
  plan: number;
  /** Which state directory; two with one wait for one lock. */
  state: number;
  /** First waits for so many steps. */
  after: number;
  concurrency: number;
  /** Its clock is wrong by so many milliseconds. */
  skew: number;
}

export type Event = { at: number } & (
  | { kind: "write"; place: string; key: string; text: string; inPlace: boolean }
  | { kind: "delete"; place: string; key: string }
  | { kind: "link"; place: string; key: string; to: string; as: string }
  | { kind: "rot"; place: string; key: string }
  | { kind: "crash"; applier: string }
  | { kind: "pause"; applier: string; steps: number }
  | { kind: "clock"; applier: string; ms: number }
  | { kind: "power" }
  | { kind: "unmount"; place: string; steps: number }
  | { kind: "fault"; place: string; fault: FaultKind; times: number; call?: string; skip?: number }
  | { kind: "list"; place: string; broken: boolean }
);

export const describeEvent = ({ at, ...event }: Event): string => {
  const rest = Object.entries(event).filter(([name]) => name !== "kind");
  return `at ${String(at).padStart(3)} ${event.kind.padEnd(8)} ${rest.map(([name, value]) => `${name}=${value}`).join(" ")}`;
};

export const describeAction = ({ id, kind, reason, from, to, required, witnesses }: Action): string =>
  [
    `${id} ${kind}${reason === "rule" ? "" : ` (${reason})`} ${from.location}:${from.key}`,
    ...(to ? [`-> ${to.location}:${to.key}`] : []),
    ...(kind === "copy" || kind === "verify"
      ? []
      : [`needs ${required} of`, witnesses.map(({ location, key }) => `${location}:${key}`).join(" ") || "none"]),
  ].join(" ");

/** The script, short enough to be read. */
export function describe(script: Script): string {
  const { places, locations, files, plans, appliers, events, trash, gc } = script;
  return [
    `seed ${script.seed}, ${trash > 0 ? `trash for ${trash / 86_400_000} d` : "no trash"}, verify ${script.verify}`,
    ...places.map(
      ({ name, kind, hardLinks, with: other }) =>
        `place ${name}: ${kind}${hardLinks ? "" : " without hard links"}${other ? ` on the disk of ${other}` : ""}`,
    ),
    ...locations
      .filter(({ name, place }) => name !== place)
      .map(({ name, place }) => `location ${name} leads to ${place}`),
    ...files.map(
      ({ place, key, text, linkTo }) =>
        `file ${place}:${key} ${JSON.stringify(text)}${linkTo ? `, the same file as ${linkTo}` : ""}`,
    ),
    ...appliers.flatMap((applier) => [
      `${applier.name} applies with state ${applier.state}${applier.after > 0 ? ` after ${applier.after} steps` : ""}:`,
      ...(plans[applier.plan]?.actions ?? []).map((action) => `  ${describeAction(action)}`),
    ]),
    ...events.map(describeEvent),
    ...(gc === undefined ? [] : [`gc ${gc / 86_400_000} d later`]),
  ].join("\n");
}
