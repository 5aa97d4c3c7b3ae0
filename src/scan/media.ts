/** What kind of file this is: the values of `media_type`. */
export type MediaType = "image" | "video" | "audio" | "document" | "text" | "archive" | "model" | "data" | "other";

/** MIME types and the extensions that stand for them, per media type; the first of two that claim one extension wins. */
const TYPES: Record<Exclude<MediaType, "other">, string> = {
  image: `image/jpeg:jpg,jpeg,jpe,jfif image/png:png,apng image/gif:gif image/webp:webp image/avif:avif image/heic:heic
    image/heif:heif,hif image/tiff:tif,tiff image/bmp:bmp,dib image/svg+xml:svg,svgz image/x-icon:ico,cur image/jxl:jxl
    image/jp2:jp2,j2k,jpf image/vnd.adobe.photoshop:psd,psb image/x-xcf:xcf image/x-exr:exr image/vnd.radiance:hdr
    image/x-targa:tga image/x-canon-cr2:cr2 image/x-canon-cr3:cr3 image/x-nikon-nef:nef image/x-sony-arw:arw
    image/x-adobe-dng:dng image/x-fuji-raf:raf image/x-olympus-orf:orf image/x-panasonic-rw2:rw2 image/x-pentax-pef:pef
    image/x-raw:raw,srw image/x-portable-anymap:pnm,pbm,pgm,ppm image/qoi:qoi`,
  video: `video/mp4:mp4,m4v,mp4v video/quicktime:mov,qt video/x-matroska:mkv,mk3d video/webm:webm video/x-msvideo:avi
    video/x-ms-wmv:wmv,asf video/mpeg:mpg,mpeg,m2v video/mp2t:mts,m2ts video/x-flv:flv video/3gpp:3gp,3g2 video/ogg:ogv
    video/mxf:mxf video/x-red:r3d video/x-dv:dv`,
  audio: `audio/mpeg:mp3,mp2 audio/wav:wav,wave audio/flac:flac audio/ogg:ogg,oga audio/opus:opus audio/mp4:m4a,m4b
    audio/aac:aac audio/aiff:aif,aiff,aifc audio/x-ms-wma:wma audio/midi:mid,midi audio/x-ape:ape audio/amr:amr
    audio/x-caf:caf audio/x-dsf:dsf`,
  document: `application/pdf:pdf application/msword:doc,dot
    application/vnd.openxmlformats-officedocument.wordprocessingml.document:docx
    application/vnd.ms-excel:xls application/vnd.openxmlformats-officedocument.spreadsheetml.sheet:xlsx
    application/vnd.ms-powerpoint:ppt application/vnd.openxmlformats-officedocument.presentationml.presentation:pptx
    application/vnd.oasis.opendocument.text:odt application/vnd.oasis.opendocument.spreadsheet:ods
    application/vnd.oasis.opendocument.presentation:odp application/epub+zip:epub application/rtf:rtf
    application/postscript:ps,eps,ai application/x-mobipocket-ebook:mobi,azw3 image/vnd.djvu:djvu
    application/vnd.apple.pages:pages application/vnd.apple.numbers:numbers application/vnd.apple.keynote:key`,
  text: `text/plain:txt,text,log,nfo,ini,cfg,conf text/markdown:md,markdown text/html:html,htm,xhtml text/css:css
    text/javascript:js,mjs,cjs,jsx text/x-typescript:ts,tsx text/x-python:py text/x-c:c,h,cpp,hpp,cc text/x-java:java
    text/x-rust:rs text/x-go:go text/x-shellscript:sh,bash,zsh text/x-tex:tex,bib text/x-sql:sql text/vtt:vtt
    application/x-subrip:srt text/x-ass:ass,ssa text/x-rst:rst text/calendar:ics text/vcard:vcf text/x-glsl:glsl,frag,vert`,
  archive: `application/zip:zip,cbz application/x-tar:tar application/gzip:gz,tgz application/x-bzip2:bz2,tbz2
    application/x-xz:xz,txz application/zstd:zst application/x-7z-compressed:7z application/vnd.rar:rar,cbr
    application/x-lz4:lz4 application/java-archive:jar application/x-iso9660-image:iso application/x-apple-diskimage:dmg
    application/vnd.debian.binary-package:deb application/x-rpm:rpm application/x-cpio:cpio`,
  model: `model/gltf-binary:glb model/gltf+json:gltf model/obj:obj,mtl model/stl:stl model/x-fbx:fbx model/x-blender:blend
    model/vnd.usdz+zip:usdz model/vnd.usd:usd,usda,usdc model/x-ply:ply model/3mf:3mf model/step:step,stp model/x-abc:abc
    model/vnd.collada+xml:dae model/x-safetensors:safetensors model/x-checkpoint:ckpt,pth model/x-pytorch:pt
    model/x-gguf:gguf,ggml model/onnx:onnx model/x-tflite:tflite`,
  data: `application/json:json,jsonl,ndjson,geojson application/xml:xml,xmp,xsd application/yaml:yaml,yml
    application/toml:toml text/csv:csv text/tab-separated-values:tsv application/vnd.apache.parquet:parquet
    application/vnd.sqlite3:sqlite,sqlite3,db application/x-duckdb:duckdb application/x-hdf5:h5,hdf5 application/x-npy:npy,npz
    application/vnd.apache.arrow.file:arrow,feather application/x-pickle:pkl,pickle application/wasm:wasm
    application/x-subtitle-index:idx`,
};

const byExtension = new Map<string, string>();
const mediaTypes = new Map<string, MediaType>();
for (const [media, text] of Object.entries(TYPES)) {
  for (const entry of text.split(/\s+/)) {
    const [mime = "", extensions = ""] = entry.split(":");
    mediaTypes.set(mime, media as MediaType);
    for (const extension of extensions.split(",")) if (!byExtension.has(extension)) byExtension.set(extension, mime);
  }
}

/** `[extension without its dot, MIME type, media type]`, for names whose bytes were not read. */
export const extensions = (): [string, string, MediaType][] =>
  Array.from(byExtension, ([extension, mime]) => [extension, mime, mediaTypeOf(mime)]);

export const mediaTypeOf = (mime: string): MediaType => mediaTypes.get(mime) ?? "other";

/** The MIME type by the first bytes, else by the extension, else by whether the bytes are text. `head` is what was read, up to a few KiB. */
export function mimeOf(name: string, head: Buffer): string {
  const dot = name.lastIndexOf(".");
  const named = dot > name.lastIndexOf("/") + 1 ? byExtension.get(name.slice(dot + 1).toLowerCase()) : undefined;
  const seen = sniff(head);
  if (seen === undefined) return named ?? (isText(head) ? "text/plain" : "application/octet-stream");
  return named !== undefined && REFINED[seen]?.test(named) ? named : seen;
}

/** Formats built on others: where the bytes show the general one, the extension may name the special one. */
const REFINED: Record<string, RegExp> = {
  "application/zip": /^(application\/(vnd|epub|java)|model\/|application\/x-npy)/,
  "image/tiff": /^image\/x-/,
  "application/msword": /^application\/(msword|vnd\.ms-)/,
  "application/xml": /^(image\/svg|model\/|text\/html|application\/xml)/,
  "video/x-matroska": /^video\/webm/,
  "video/mp4": /^(video\/|audio\/mp4)/,
  "audio/ogg": /^(audio|video)\/(ogg|opus)/,
  "application/postscript": /^application\//,
  "video/x-ms-wmv": /^audio\/x-ms-wma/,
  "application/gzip": /^(image\/svg|model\/|application\/)/,
};

/** Signatures at offset 0 as latin1 text, grouped by first byte so that a file is compared with a few only. */
const SIGNATURES: [string, string][] = [
  ["\xff\xd8\xff", "image/jpeg"],
  ["\x89PNG\r\n\x1a\n", "image/png"],
  ["GIF87a", "image/gif"],
  ["GIF89a", "image/gif"],
  ["II*\0", "image/tiff"],
  ["MM\0*", "image/tiff"],
  ["II+\0", "image/tiff"],
  ["8BPS", "image/vnd.adobe.photoshop"],
  ["gimp xcf", "image/x-xcf"],
  ["v/1\x01", "image/x-exr"],
  ["\xff\x0a", "image/jxl"],
  ["\0\0\0\x0cJXL ", "image/jxl"],
  ["\0\0\0\x0cjP  ", "image/jp2"],
  ["FUJIFILMCCD-RAW", "image/x-fuji-raf"],
  ["IIRO", "image/x-olympus-orf"],
  ["IIU\0", "image/x-panasonic-rw2"],
  ["qoif", "image/qoi"],
  ["\x1aE\xdf\xa3", "video/x-matroska"],
  ["FLV\x01", "video/x-flv"],
  ["0&\xb2u\x8ef\xcf\x11", "video/x-ms-wmv"],
  ["\0\0\x01\xba", "video/mpeg"],
  ["\0\0\x01\xb3", "video/mpeg"],
  ["ID3", "audio/mpeg"],
  ["fLaC", "audio/flac"],
  ["OggS", "audio/ogg"],
  ["MThd", "audio/midi"],
  ["caff", "audio/x-caf"],
  ["MAC ", "audio/x-ape"],
  ["#!AMR", "audio/amr"],
  ["%PDF-", "application/pdf"],
  ["\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/msword"],
  ["{\\rtf", "application/rtf"],
  ["%!PS", "application/postscript"],
  ["PK\x03\x04", "application/zip"],
  ["PK\x05\x06", "application/zip"],
  ["\x1f\x8b", "application/gzip"],
  ["BZh", "application/x-bzip2"],
  ["\xfd7zXZ\0", "application/x-xz"],
  ["(\xb5/\xfd", "application/zstd"],
  ["7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"],
  ["Rar!\x1a\x07", "application/vnd.rar"],
  ["\x04\x22M\x18", "application/x-lz4"],
  ["!<arch>\ndebian", "application/vnd.debian.binary-package"],
  ["\xed\xab\xee\xdb", "application/x-rpm"],
  ["glTF", "model/gltf-binary"],
  ["Kaydara FBX Binary", "model/x-fbx"],
  ["BLENDER", "model/x-blender"],
  ["GGUF", "model/x-gguf"],
  ["ply\n", "model/x-ply"],
  ["SQLite format 3\0", "application/vnd.sqlite3"],
  ["\x89HDF\r\n\x1a\n", "application/x-hdf5"],
  ["PAR1", "application/vnd.apache.parquet"],
  ["\x93NUMPY", "application/x-npy"],
  ["ARROW1", "application/vnd.apache.arrow.file"],
  ["\0asm", "application/wasm"],
  ["<?xml", "application/xml"],
  ["<svg", "image/svg+xml"],
];

const signatures = new Map<number, [Buffer, string][]>();
for (const [text, mime] of SIGNATURES) {
  const bytes = Buffer.from(text, "latin1");
  const first = bytes[0] ?? 0;
  signatures.set(first, [...(signatures.get(first) ?? []), [bytes, mime]]);
}

function sniff(head: Buffer): string | undefined {
  if (head.length < 4) return undefined;
  for (const [bytes, mime] of signatures.get(head[0] ?? 0) ?? []) {
    if (head.length >= bytes.length && bytes.compare(head, 0, bytes.length) === 0) return mime;
  }
  if (head.length >= 12) {
    const kind = wordAt(head, 0);
    if (kind === RIFF || kind === FORM) return CONTAINED[head.toString("latin1", 8, 12)];
    if (wordAt(head, 4) === FTYP) return BRANDS[head.toString("latin1", 8, 12)] ?? "video/mp4";
  }
  if (head.length >= 262 && wordAt(head, 257) === USTA && head[261] === 0x72) return "application/x-tar";
  return isMpegAudio(head) ? "audio/mpeg" : undefined;
}

/** Four bytes as a number: a text for each file costs more than all the rest. */
const wordAt = (head: Buffer, at: number): number =>
  ((head[at] ?? 0) << 24) | ((head[at + 1] ?? 0) << 16) | ((head[at + 2] ?? 0) << 8) | (head[at + 3] ?? 0);

const [RIFF, FORM, FTYP, USTA] = ["RIFF", "FORM", "ftyp", "usta"].map((text) => wordAt(Buffer.from(text), 0));

const CONTAINED: Record<string, string> = {
  WEBP: "image/webp",
  WAVE: "audio/wav",
  "AVI ": "video/x-msvideo",
  AIFF: "audio/aiff",
  AIFC: "audio/aiff",
};

const BRANDS: Record<string, string> = {
  "qt  ": "video/quicktime",
  avif: "image/avif",
  avis: "image/avif",
  heic: "image/heic",
  heix: "image/heic",
  mif1: "image/heif",
  msf1: "image/heif",
  "crx ": "image/x-canon-cr3",
  "M4A ": "audio/mp4",
  "M4B ": "audio/mp4",
  "3gp4": "video/3gpp",
  "3gp5": "video/3gpp",
};

/** A frame header of MPEG layer 2 or 3: eleven set bits, then a legal version, layer, bit rate and sampling rate. */
function isMpegAudio(head: Buffer): boolean {
  const [a = 0, b = 0, c = 0] = head;
  const layer = (b >> 1) & 3;
  return (
    a === 0xff &&
    (b & 0xe0) === 0xe0 &&
    ((b >> 3) & 3) !== 1 &&
    (layer === 1 || layer === 2) &&
    c >> 4 !== 15 &&
    ((c >> 2) & 3) !== 3
  );
}

/** No byte that text does not have, in the first half KiB. */
function isText(head: Buffer): boolean {
  const end = Math.min(head.length, 512);
  for (let index = 0; index < end; index++) {
    const byte = head[index] ?? 0;
    if (byte < 0x20 && byte !== 9 && byte !== 10 && byte !== 12 && byte !== 13 && byte !== 27) return false;
    if (byte === 0x7f) return false;
  }
  return end > 0;
}
