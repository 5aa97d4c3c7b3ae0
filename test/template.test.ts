import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Template } from "../src/config/config.js";
import { parseTemplate, type Rendered, renderKey, type TemplateValues } from "../src/config/template.js";
import { invalidKey } from "../src/lib/key.js";

const VALUES: TemplateValues = {
  key: "client-a/shots/IMG 1.final.JPG",
  sha256: "abcdef0123456789".repeat(4),
  project: "client-a",
  attrs: { shot: "s010" },
  mediaType: "image",
  modified: Date.UTC(2024, 1, 29, 23, 30, 5),
  location: "primary",
  timezone: "UTC",
};

type Problem = [message: string, hint?: string | undefined];

function parse(text: string): { template: Template; problems: Problem[] } {
  const problems: Problem[] = [];
  const template = parseTemplate(text, (message, hint) => problems.push([message, hint]));
  return { template, problems };
}

function render(text: string, values: Partial<TemplateValues> = {}): Rendered {
  const { template, problems } = parse(text);
  expect(problems).toEqual([]);
  return renderKey(template, { ...VALUES, ...values });
}

describe("key templates", () => {
  it.each([
    ["{path}", "client-a/shots/IMG 1.final.JPG"],
    ["{dir}/{filename}", "client-a/shots/IMG 1.final.JPG"],
    ["x/{stem}{ext}", "x/IMG 1.final.JPG"],
    ["{sha256:2}/{sha256}", `ab/${"abcdef0123456789".repeat(4)}`],
    ["{stem}~{sha256:8}{ext}", "IMG 1.final~abcdef01.JPG"],
    ["{project}/{media_type}/{location}/{filename}", "client-a/image/primary/IMG 1.final.JPG"],
    ["{attr.shot}/{filename}", "s010/IMG 1.final.JPG"],
    ["{modified:%Y/%m/%d}/{filename}", "2024/02/29/IMG 1.final.JPG"],
    ["{modified:%y%j-%H%M%S-%b-%%}", "24060-233005-Feb-%"],
    ["{project|unsorted}/{filename}", "client-a/IMG 1.final.JPG"],
    ["/archive//{filename}", "archive/IMG 1.final.JPG"],
    ["{{{project}}}/{filename}", "{client-a}/IMG 1.final.JPG"],
  ])("%s gives %s", (template, key) => expect(render(template)).toEqual({ key }));

  it.each([
    {
      name: "an empty {dir} leaves no empty segment",
      template: "a/{dir}/{filename}",
      values: { key: "x.jpg" },
      key: "a/x.jpg",
    },
    {
      name: "an empty {dir} is a value: no fallback",
      template: "{dir|none}/{filename}",
      values: { key: "x.jpg" },
      key: "x.jpg",
    },
    {
      name: "an empty {ext} is a value: no fallback",
      template: "{stem}{ext|.bin}",
      values: { key: "a/README" },
      key: "README",
    },
    { name: ".hidden has no extension", template: "{stem}|{ext}", values: { key: ".hidden" }, key: ".hidden|" },
    {
      name: "a fallback is used where there is no value",
      template: "{project|unsorted}/{filename}",
      values: { project: null, key: "x" },
      key: "unsorted/x",
    },
    {
      name: "an empty fallback is legal",
      template: "{project|}/{filename}",
      values: { project: null, key: "x" },
      key: "x",
    },
    {
      name: "a value may have several segments",
      template: "{attr.shot}/{filename}",
      values: { attrs: { shot: "a/b" }, key: "x" },
      key: "a/b/x",
    },
  ])("$name", ({ template, values, key }) => expect(render(template, values)).toEqual({ key }));

  it("tells time in the time zone of the settings", () => {
    const template = "{modified:%Y-%m-%d %H:%M}";
    expect(render(template, { timezone: "Europe/Berlin" })).toEqual({ key: "2024-03-01 00:30" });
    expect(render(template, { timezone: "America/St_Johns" })).toEqual({ key: "2024-02-29 20:00" });
    expect(render("{modified:%j}", { modified: Date.UTC(2023, 11, 31) })).toEqual({ key: "365" });
    expect(render("{modified:%j}", { modified: Date.UTC(2024, 11, 31) })).toEqual({ key: "366" });
  });

  it.each([
    ["{project}/{filename}", { project: null }, { unresolved: "project" }],
    ["{attr.take}/{filename}", {}, { unresolved: "attr.take" }],
    ["{attr.toString}/x", {}, { unresolved: "attr.toString" }],
    ["{modified:%Y}/{filename}", { modified: Number.NaN }, { unresolved: "modified" }],
  ])("%s without a value is unresolved, never an empty segment", (template, values, expected) => {
    expect(render(template, values)).toEqual(expected);
  });

  it.each(["..", ".", "a/../../b", "x\0y"])("never leaves the location with the value %j", (shot) => {
    expect(render("{attr.shot}/{filename}", { attrs: { shot } })).toMatchObject({
      unresolved: "{attr.shot}/{filename}",
      invalid: expect.any(String),
    });
  });

  it("makes only valid keys, from whatever values", () => {
    const template = fc.array(
      fc.constantFrom("{path}", "{dir}", "{stem}", "{ext}", "{project|}", "{attr.a}", "/", "x", "."),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(template, fc.string(), fc.string(), (parts, project, value) => {
        const { template, problems } = parse(parts.join(""));
        if (problems.length > 0) return;
        const rendered = renderKey(template, { ...VALUES, project, attrs: { a: value } });
        if ("key" in rendered) expect(invalidKey(rendered.key)).toBeUndefined();
      }),
    );
  });

  it.each([
    ["{projct}/{filename}", "unknown field {projct}", 'Did you mean "project"?'],
    ["{created:%Y}/{filename}", "not supported by this version", "{modified"],
    ["{filename", "mismatched", "{{"],
    ["filename}", "mismatched", "}}"],
    ["a/{filename}/", "ends with a folder", "{filename}"],
    ["../{filename}", '".."', undefined],
    ["{modified}/x", "needs a format", "%Y"],
    ["{modified:%Q}/x", "unknown time directive %Q", "%Y"],
    ["{modified:%}/x", "unknown time directive %", "%Y"],
    ["{sha256:65}", "from 1 to 64", undefined],
    ["{sha256:x}", "from 1 to 64", undefined],
    ["{path:3}", "takes no argument", "{path|fallback}"],
    ["{project|{dir}}/x", "a fallback can not contain a field", undefined],
    ["{}", "no field", "path"],
    ["", "empty", undefined],
  ])("refuses %s: %s", (template, message, hint) => {
    const anyHint = hint === undefined ? undefined : expect.stringContaining(hint);
    expect(parse(template).problems).toEqual([[expect.stringContaining(message), anyHint]]);
  });

  it.each([
    ["{modified:%Q}{unclosed", ["unknown time directive %Q", "mismatched { and }"]],
    ["{foo}/{x|}", ["unknown field {foo}", "unknown field {x}"]],
    ["{modified:%Q-%Y-%K}/{sha256:0}", ["unknown time directive %Q", "unknown time directive %K", "{sha256:0} takes"]],
    ["{unclosed/{x|}/{filename}", ["mismatched { and }", "unknown field {x}"]],
    ["{projct|{dir}}/{}/{path:3}", ["a fallback can not", "unknown field {projct}", "{} has no field", "{path} takes"]],
    ["../{foo}/", ["unknown field {foo}", "ends with a folder", 'contains ".."']],
    ["/", ["ends with a folder"]],
    ["{".repeat(100_000), ["longer than 4096 characters"]],
  ])("tells all that is wrong with %.40s", (template, messages) => {
    expect(parse(template).problems.map(([message]) => message)).toEqual(
      messages.map((message) => expect.stringContaining(message)),
    );
  });

  it("renders 200,000 keys in a moment, in any time zone", () => {
    const { template } = parse("{project|unsorted}/{modified:%Y/%m}/{filename}");
    const started = performance.now();
    for (let index = 0; index < 200_000; index += 1)
      renderKey(template, { ...VALUES, modified: VALUES.modified ?? 0 + index * 1000, timezone: "Europe/Berlin" });
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
