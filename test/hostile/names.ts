import { random } from "./random.js";

/** Pieces of names that somebody, somewhere, takes for more than a piece of a name. */
const PIECES: readonly string[] = [
  ...[
    "..",
    ".",
    "...",
    "-",
    "--",
    "-rf",
    "--help",
    "~",
    "~root",
    "CON",
    "con",
    "aux",
    "nul",
    "COM1",
    "LPT1.txt",
    "desktop.ini",
  ],
  ...[
    ".stowage-trash",
    ".stowage-tmp",
    ".stowage-location",
    ".stowage-lock",
    ".stowage-journal",
    ".stowage",
    ".stowage-trashx",
    ".STOWAGE-TRASH",
  ],
  ...[
    "a ",
    " a",
    "a.",
    "a..",
    " ",
    "  ",
    "\t",
    "a\tb",
    "\n",
    "a\nb",
    "\r",
    "a\r\nb",
    "\x01",
    "\x07",
    "\x08",
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x1b[31mred",
  ],
  ...[
    "\x7f",
    "\u0085",
    "\u009b31m",
    "\u00a0",
    "\u00ad",
    "\u200b",
    "\u200d",
    "\u2028",
    "\u2029",
    "\u202egpj.exe",
    "\u2066x\u2069",
    "\ufeff",
    "\ufffd",
    "\ufff9",
  ],
  ...[
    "*",
    "?",
    "**",
    "[a-z]",
    "[",
    "]",
    "{a,b}",
    "{",
    "}",
    "{{x}}",
    "\\",
    "\\\\",
    "a\\b",
    "{project}",
    "{path|x}",
    "${HOME}",
    "${SECRET}",
    "$HOME",
    "$(id)",
    "`id`",
    "%s%n",
    "%2e%2e%2f",
    "%00",
  ],
  ...[
    "'",
    '"',
    "''",
    "a' OR '1'='1",
    "'; DROP TABLE file_locations; --",
    ";",
    "|",
    "&",
    "&&",
    ">",
    "<",
    "#",
    "!",
    "(",
    ")",
    "a;b",
    "a|b",
    "a>b",
  ],
  ...[
    "<script>alert(1)</script>",
    "<img src=x>",
    "&lt;",
    "![x](http://x)",
    "[a](javascript:1)",
    "| a | b |",
    "# title",
    "```",
    "<!--",
    "-->",
    "- [ ] x",
  ],
  ...[
    "\u00e9",
    "e\u0301",
    "\u212b",
    "A\u030a",
    "\u00c5",
    "\uac00",
    "\u1100\u1161",
    "\u0130",
    "\u0131",
    "\u00df",
    "SS",
    "\ufb01",
    "K",
    "\u212a",
    "\u03c3",
    "\u03c2",
  ],
  ...[
    "\ud83d\ude00",
    "\ud83d\udc68\u200d\ud83d\udc69",
    "\u4e2d\u6587",
    "\u0645\u0631\u062d\u0628\u0627",
    "\u0915\u094d\u0937",
    "z\u0335\u0321\u034e",
    "\ufdd0",
    "\u{10ffff}",
  ],
  ...[
    "__proto__",
    "constructor",
    "toString",
    "null",
    "undefined",
    "true",
    "NaN",
    "0",
    "-1",
    "1e400",
    "0x41",
    ",",
    "a,b",
    "=1+1",
    "@SUM(1)",
    ":",
    "a:b",
    "s3:x",
    "primary:x",
  ],
  ...[
    "README",
    "readme",
    "ReadMe",
    "thumbs.db",
    ".DS_Store",
    ".hidden",
    "._a",
    "a.tar.gz",
    ".jpg",
    "x.JPG",
    "x.jpg.",
    "x.jpg ",
    "storage.yaml",
    "catalog.duckdb",
  ],
];

/** Bytes that are no text, as any Linux file system keeps them. */
const RAW: readonly Buffer[] = [
  [0xff],
  [0xfe, 0xff],
  [0xc3, 0x28],
  [0xe2, 0x82],
  [0xf0, 0x9f, 0x98],
  [0xed, 0xa0, 0x80],
  [0xc0, 0xae],
  [0xf8, 0x88],
  [0x61, 0xe9, 0x62],
].map((bytes) => Buffer.from(bytes));

/** Paths relative to a root, `/`-separated, as bytes; none leads out of the root by itself. */
export function hostilePaths(count: number, seed: number): Buffer[] {
  const { below, pick } = random(seed);
  const known = new Map<string, Buffer>();
  const add = (path: Buffer): void => {
    const parts = path.toString("latin1").split("/");
    if (parts.some((part) => part === "" || part === "." || part === ".." || part.length > 255)) return;
    known.set(path.toString("latin1"), path);
  };
  for (const piece of PIECES) add(Buffer.from(piece));
  for (const raw of RAW) add(raw);
  for (const raw of RAW) add(Buffer.concat([Buffer.from("in/"), raw, Buffer.from("/x.jpg")]));
  for (const letter of ["n", "\u00e9", "\u4e2d"])
    add(Buffer.from(letter.repeat(Math.floor(255 / Buffer.byteLength(letter)))));
  add(Buffer.from(`${"d/".repeat(150)}deep.jpg`));
  add(Buffer.from(`${`${"long".repeat(50)}/`.repeat(4)}x`));
  while (known.size < count) {
    const parts = Array.from({ length: 1 + below(3) }, () => {
      const piece = below(12) === 0 ? pick(RAW) : Buffer.from(pick(PIECES));
      return below(3) === 0 ? Buffer.concat([piece, Buffer.from(pick(PIECES))]) : piece;
    });
    add(Buffer.concat(parts.flatMap((part, index) => (index > 0 ? [Buffer.from("/"), part] : [part]))));
  }
  return [...known.values()].slice(0, count);
}
