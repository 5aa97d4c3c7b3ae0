import type { At } from "./findings.js";
import type { MatchScope } from "./match.js";
import { MEDIA_TYPES } from "./sugar.js";
import { didYouMean } from "./suggest.js";

/** The form in which a field's values are compared. */
export function textValue(key: string, source: string): string {
  const lower = source.includes("{{") ? source : source.toLowerCase();
  if (key === "ext") return lower.replace(/^\./, "");
  if (key === "media_type" || key === "type") return lower;
  return key === "sha256" ? lower.replace(/^sha256:/, "") : source;
}

/** Reports a text without wildcards that no file can have. */
export function checkLiteral(key: string, text: string, at: At, scope: MatchScope): void {
  if (key === "media_type" && !MEDIA_TYPES.includes(text)) {
    scope.error("UNKNOWN_VALUE", at, `there is no media_type "${text}"`, didYouMean(text, MEDIA_TYPES));
  } else if (key === "location" && scope.locations && !scope.locations.includes(text)) {
    scope.error("UNKNOWN_LOCATION", at, `there is no location "${text}"`, didYouMean(text, scope.locations));
  } else if (key === "sha256" && !/^[0-9a-f]{64}$/.test(text)) {
    scope.error(
      "UNKNOWN_VALUE",
      at,
      `"${text}" is no SHA-256`,
      "64 hexadecimal digits, or a part of them with a star: 3f2a*",
    );
  } else if (key === "type" && !text.includes("/")) {
    const isMedia = MEDIA_TYPES.includes(text);
    scope.error(
      "UNKNOWN_VALUE",
      at,
      `"${text}" is no MIME type`,
      isMedia ? `Write media_type: ${text}.` : "Such as image/jpeg or video/*.",
    );
  }
}
