import { describe, expect, it } from "vitest";
import { extensions, mediaTypeOf, mimeOf } from "../src/scan/media.js";

const latin = (text: string) => Buffer.from(text, "latin1");

describe("the kind of a file is told by its first bytes, then by its extension", () => {
  it.each([
    ["photo.jpg", "\xff\xd8\xff\xe0", "image/jpeg", "image"],
    ["wrongly-named.txt", "\x89PNG\r\n\x1a\n....", "image/png", "image"],
    ["no-extension", "GIF89a......", "image/gif", "image"],
    ["x.webp", "RIFF\x10\0\0\0WEBPVP8 ", "image/webp", "image"],
    ["x.wav", "RIFF\x10\0\0\0WAVEfmt ", "audio/wav", "audio"],
    ["x.avi", "RIFF\x10\0\0\0AVI LIST", "video/x-msvideo", "video"],
    ["x.aif", "FORM\0\0\0\x10AIFFCOMM", "audio/aiff", "audio"],
    ["clip.mp4", "\0\0\0\x18ftypisom", "video/mp4", "video"],
    ["clip.mov", "\0\0\0\x14ftypqt  ", "video/quicktime", "video"],
    ["song.m4a", "\0\0\0\x18ftypM4A ", "audio/mp4", "audio"],
    ["x.heic", "\0\0\0\x18ftypheic", "image/heic", "image"],
    ["x.mkv", "\x1aE\xdf\xa3....", "video/x-matroska", "video"],
    ["x.webm", "\x1aE\xdf\xa3....", "video/webm", "video"],
    ["raw.nef", "MM\0*\0\0\0\x08", "image/x-nikon-nef", "image"],
    ["scan.tif", "II*\0\x08\0\0\0", "image/tiff", "image"],
    ["song", "ID3\x03\0\0", "audio/mpeg", "audio"],
    ["song.mp3", "\xff\xfb\x90\x00....", "audio/mpeg", "audio"],
    ["a.pdf", "%PDF-1.7", "application/pdf", "document"],
    [
      "report.docx",
      "PK\x03\x04....",
      "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
      "document",
    ],
    ["pack.zip", "PK\x03\x04....", "application/zip", "archive"],
    ["picture.jpg", "PK\x03\x04....", "application/zip", "archive"],
    ["scene.glb", "glTF\x02\0\0\0", "model/gltf-binary", "model"],
    ["logo.svg", '<?xml version="1.0"?><svg/>', "image/svg+xml", "image"],
    ["data.xml", '<?xml version="1.0"?>', "application/xml", "data"],
    ["db", "SQLite format 3\0", "application/vnd.sqlite3", "data"],
    ["notes.md", "# Hello", "text/markdown", "text"],
    ["table.csv", "a,b", "text/csv", "data"],
    ["README", "plain words\n", "text/plain", "text"],
    ["UPPER.JPEG", "", "image/jpeg", "image"],
    [".jpg", "", "application/octet-stream", "other"],
    ["dir.jpg/file", "\0\x01\x02\x03", "application/octet-stream", "other"],
    ["unknown.qqq", "\0\x01\x02\x03", "application/octet-stream", "other"],
    ["tiny", "\xff", "text/plain", "text"],
  ])("%s", (name, head, mime, media) => {
    expect(mimeOf(name, latin(head))).toBe(mime);
    expect(mediaTypeOf(mime)).toBe(media);
  });

  it("knows a tar by its middle", () => {
    const tar = Buffer.alloc(512);
    tar.write("ustar", 257);
    expect(mimeOf("backup", tar)).toBe("application/x-tar");
  });

  it("every extension has a type, and no two", () => {
    const all = extensions();
    expect(new Set(all.map(([extension]) => extension)).size).toBe(all.length);
    for (const [extension, mime, media] of all) {
      expect(extension).toMatch(/^[a-z0-9]+$/);
      expect(mime).toMatch(/^[a-z]+\/[a-z0-9.+-]+$/);
      expect(media).not.toBe("other");
    }
  });
});
