import { describe, expect, it } from "vitest";
import { checkText } from "../src/config/load.js";

const check = (settings: string, more = "") =>
  checkText(
    `version: 1\nsettings: ${settings}\nlocations:\n  - { name: a, type: local, path: /a }\n  - { name: hub, type: local, path: /hub${more} }\n`,
    "/etc/storage.yaml",
    { env: { HOME: "/home/ada" } },
  );
const errors = (settings: string, more = ""): string[] =>
  check(settings, more)
    .diagnostics.filter(({ severity }) => severity === "error")
    .map(({ line, column, code, message }) => `${line}:${column} ${code} ${message}`);

describe("settings.lock and settings.journal", () => {
  it("name a location, and make no plan stale", () => {
    const { config } = check("{ lock: hub, journal: hub }");
    expect(config?.settings).toMatchObject({ lock: "hub", journal: "hub" });
    expect(config?.digest).toBe(check("{}").config?.digest);
    expect(check("{}").config?.settings).not.toHaveProperty("lock");
  });

  it.each(["lock", "journal"])("%s: has to be a location that is there and may be written to", (key) => {
    const column = 15 + key.length;
    expect(errors(`{ ${key}: hup }`)).toEqual([`2:${column} UNKNOWN_LOCATION there is no location "hup"`]);
    expect(errors(`{ ${key}: hub }`, ", read_only: true")).toEqual([
      `2:${column} NOT_WRITABLE hub can not hold the ${key}: it is read_only`,
    ]);
    for (const status of ["offline", "draining", "retired"]) {
      expect(errors(`{ ${key}: hub }`, `, status: ${status}`)).toEqual([
        `2:${column} NOT_WRITABLE hub can not hold the ${key}: its status is ${status}`,
      ]);
    }
    expect(errors(`{ ${key}: "" }`)).toHaveLength(1);
    expect(errors(`{ ${key}: [hub] }`)).toHaveLength(1);
  });
});
