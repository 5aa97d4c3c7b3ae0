import { afterEach, describe, expect, it } from "vitest";
import { localBackend } from "../src/backend/local.js";
import { markerText } from "../src/backend/marker.js";
import { patternOf } from "../src/config/match.js";
import { openPlaces, type Places, uuidOf, type Way } from "./support/places.js";

let places: Places;
afterEach(() => places?.close());

const FOREIGN = "99999999-9999-4999-8999-999999999999";

describe.each<Way>(["threads", "backend"])("the marker of another location in a listing (%s)", (way) => {
  it("S14: makes the two one storage, and the outer one suspect until it is out of there", async () => {
    places = await openPlaces({ a: {}, b: {} }, { way });
    places.put("a:x", "1");
    places.put("a:mount/here/.stowage-location", markerText(uuidOf("b").toUpperCase()));
    await expect(places.scan()).rejects.toMatchObject({
      code: "SAME_STORAGE",
      message: 'the locations "a" and "b" are one storage: a:mount/here/.stowage-location is the marker of "b"',
      hint: expect.stringContaining("delete the marker"),
    });
    expect(await places.suspects()).toEqual({
      a: 'mount/here/.stowage-location is the marker of "b"',
      b: null,
    });
    expect(await places.rows()).toEqual([]);
    places.remove("a:mount");
    expect((await places.scan()).locations).toMatchObject([{ status: "complete" }, { status: "complete" }]);
  });

  it("means nothing while nobody knows it, where it is too long, or where it is no marker at all", async () => {
    places = await openPlaces({ a: {}, b: {} }, { way });
    places.put("a:foreign/.stowage-location", markerText(FOREIGN));
    places.put("a:long/.stowage-location", markerText(uuidOf("b")).padEnd(5000));
    places.put("a:other/not.stowage-location", markerText(uuidOf("b")));
    expect((await places.scan()).locations).toMatchObject([{ status: "complete", files: 3 }, { status: "complete" }]);
  });

  it("S14: is found in a folder that looks as it did, once a location has it", async () => {
    places = await openPlaces({ a: {}, b: { unmarked: true } }, { way });
    places.put("a:mount/.stowage-location", markerText(FOREIGN));
    await places.scan();
    await places.scan();
    await localBackend("b", places.root("b")).writeMarker(FOREIGN);
    await expect(places.scan()).rejects.toMatchObject({ code: "SAME_STORAGE" });
  });

  it("means nothing in a folder that is left out", async () => {
    const exclude = [patternOf("mount/**", "path")];
    places = await openPlaces({ a: { exclude }, b: {} }, { way });
    places.put("a:mount/.stowage-location", markerText(uuidOf("b")));
    expect((await places.scan()).locations).toMatchObject([{ status: "complete", files: 0 }, { status: "complete" }]);
    const marker = [patternOf("**/.stowage-*", "path")];
    const [a] = places.config.locations;
    if (a) a.exclude = marker;
    await expect(places.scan()).rejects.toMatchObject({ code: "SAME_STORAGE" });
  });
});
