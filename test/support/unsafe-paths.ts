/**
 * File paths that no manifest may hold and no pull may write, by what is wrong with them, with the published weakness where there is
 * one; and their harmless neighbours, so that a rule can't be met by refusing everything. Commit and pull are held to the same lists.
 */
export type PathCase = { name: string; path: string };

/** Parts of a path, climbing out of a tree or naming another place. Ollama CVE-2024-37032, MLflow CVE-2023-1177, -2356, -2780, hub #4540. */
const PLACES = [
  ...["", ".", "..", "./x", "../x", "a/..", "a/.", "a/./b", "a/../b", "../../etc/passwd", "a/../../etc/passwd", "a/b/../../../x", "..//x"],
  ...["/", "//", "/etc/passwd", "//host/share/x", "///x", "/..", "/./x", "a//b", "a/", "a/b/", "./", "../"],
  ...["C:\\x", "C:/x", "C:x", "D:x", "a/D:x", "a/b/c:d", "c:", ":", "a:", "file:///etc/passwd", "file:x", "http://host/x", "s3://bucket/x"],
  ...["x.txt:stream", "x.txt::$DATA", "a/x::$INDEX_ALLOCATION", ".git::$INDEX_ALLOCATION/config"],
  ...["a\\b", "\\", "\\x", "x\\", "..\\x", "..\\..\\x", "a\\..\\b", "a\\..\\..\\x", "a/..\\..\\x", "..\\/x", "../\\x", "\\..\\x", ".\\x"],
  ...["\\\\host\\share", "\\\\host\\share\\x", "\\\\?\\C:\\x", "\\\\.\\PhysicalDrive0", "\\\\127.0.0.1\\c$\\x", "a/\\\\host\\share"],
];

/** What a reader that decodes once, or twice, takes for one of the above. MLflow CVE-2024-1560, S3-Proxy CVE-2026-42882. */
const PERCENT = [
  ...[
    "%2e",
    "%2e%2e",
    "%2e%2e/x",
    "%2E%2E/x",
    ".%2e/x",
    "%2e./x",
    "a/%2e%2e/b",
    "a/%2e/b",
    "%252e%252e/x",
    "%25252e%25252e/x",
    "%2525252525252e%2e/x",
  ],
  ...["..%2fx", "..%2Fx", "a/..%2f..%2fx", "..%252fx", "..%25252fx", "%2e%2e%2fx", "%252e%252e%252fx", "%2%65%2%65/x"],
  ...["..%5cx", "..%5Cx", "..%255cx", "%2e%2e%5cx", "a%5cb", "%5c%5chost%5cshare", "%255c%255chost%255cshare"],
  ...["%2fetc%2fpasswd", "%252fetc%252fpasswd", "%2Fx", "c%3Ax", "C%3a%5cx", "C%253A%255Cx"],
  ...["a%00b", "a%00", "..%00/x", "a%2500b", "a%0ab", "a%0d%0aSet-Cookie", "a%7fb"],
];

/** The folder whose hooks git runs, under every name that a disk knows it by. Git CVE-2014-9390, CVE-2019-1352. */
const GIT = [
  ...[
    ".git",
    ".git/config",
    "a/.git",
    "a/.git/hooks/post-checkout",
    ".GIT",
    ".GiT/config",
    "a/.gIT/x",
    ".git.",
    ".git ",
    ".git/",
    ".git\\x",
  ],
  ...["git~1", "GIT~1/hooks/post-checkout", "a/Git~2", "git~10/x", ".g\u200cit/config", ".gi\u206at/x", "\ufeff.git/x", "．git/config"],
];

const WIDE = ["．．/x", "．/x", "a/．．", "‥/x", "a/．．/b", "ＣＯＮ", "ｎｕｌ.txt", "ＬＰＴ１"];

const EDGES = [
  "a.",
  "a ",
  " a",
  "a/b.",
  "a/b ",
  "a/ b",
  "a./b",
  "a /b",
  " ",
  "  ",
  "...",
  "....",
  "a/...",
  ". ",
  ".. ",
  "..  /x",
  " ..",
  "a. ",
  "a .",
];

const DEVICES = [
  ...[
    "con",
    "CON",
    "Con",
    "prn",
    "aux",
    "nul",
    "NUL",
    "com0",
    "com1",
    "COM9",
    "lpt0",
    "lpt1",
    "LPT9",
    "com¹",
    "COM²",
    "lpt³",
    "conin$",
    "CONOUT$",
  ],
  ...["con.txt", "nul.safetensors", "aux.tar.gz", "COM1.json", "con .txt", "nul   .txt", "lpt1.", "a/con", "a/nul.txt/b", "aux/x"],
];

const UNICODE = [
  // Not composed, or no composed form of its own (NFC): equal on one disk, different on another.
  ...[
    "e\u0301",
    "mode\u0301le.bin",
    "A\u030a",
    "\u1100\u1161",
    "\u212b",
    "\u2126",
    "\u212a",
    "\uf900",
    "\u0958",
    "q\u0307\u0323",
    "a/u\u0308/b",
  ],
  // Not Unicode at all.
  ...["\ud800", "\udfff", "a\ud83d", "\ude00a", "a/\udc00\ud800/b", "\ud83d/\ude00"],
  ...["a\uffff", "a\ufffe", "\ufdd0", "a\u{1ffff}"],
];

/** Controls, and what hides or turns text: `exe.fdp` shown as `pdf.exe`. */
const HIDDEN_CHARACTERS = [
  ...[0x00, 0x01, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1b, 0x1f, 0x7f, 0x80, 0x85, 0x90, 0x9b, 0x9f],
  ...[0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069, 0x061c],
  ...[0x2060, 0x2061, 0x2064, 0x206a, 0x206f, 0xfeff, 0x00ad, 0x034f, 0x115f, 0x1160, 0x17b4, 0x180e, 0x3164, 0xffa0],
  ...[0x2028, 0x2029, 0xfff9, 0xfffb, 0xe0001, 0xe0020, 0xe007f, 0x1d173],
];
const HIDDEN = HIDDEN_CHARACTERS.flatMap((code) => [`a${String.fromCodePoint(code)}b`, `a/${String.fromCodePoint(code)}`]);

const LONG = [
  { name: "a part of 256 bytes", path: "x".repeat(256) },
  { name: "a part of 258 bytes in 86 characters", path: "模".repeat(86) },
  { name: "a path of 1025 bytes", path: `${`${"y".repeat(203)}/`.repeat(5)}xxxxx` },
  { name: "1 MiB", path: "x".repeat(1024 * 1024) },
  { name: "33 folders deep", path: `${"d/".repeat(32)}x` },
  { name: "100,000 folders deep", path: `${"d/".repeat(100_000)}x` },
];

export const UNSAFE_PATHS: readonly PathCase[] = [
  ...[...PLACES, ...PERCENT, ...GIT, ...WIDE, ...EDGES, ...DEVICES, ...UNICODE, ...HIDDEN].map(named),
  ...LONG,
];

export const SAFE_PATHS: readonly PathCase[] = [
  ...[
    "config.json",
    "model-00001-of-00002.safetensors",
    "a/b/c.bin",
    ".hidden",
    ".gitignore",
    ".github/workflows/ci.yml",
    "git",
    "git~",
    "x~1",
  ],
  ...[
    "模型/权重-第一部分.safetensors",
    "配置（最终版）.json",
    "数据：一",
    "日本語のモデル/重み.bin",
    "葛\u{e0100}飾.txt",
    "한국어/모델.bin",
  ],
  ...["modèle.bin", "Ångström", "ñ", "Größe/Straße", "نموذج.bin", "модель/веса.bin", "❤️.txt", "🚀/🤗.md"],
  ...[
    "a b",
    "a  b",
    "a#b",
    "a?b",
    "a&b=c",
    "a+b",
    "a@b",
    "a,b;c",
    "a'b",
    'a"b',
    "a*b",
    "a|b",
    "<x>",
    "$HOME",
    "`id`",
    "~/x",
    "-rf",
    "!x",
    "^x",
  ],
  ...["100%", "%", "%zz", "a%20b", "50% off", "%41", "http%3A%2F%2Fexample.com%2Fmodel", "a%2Fb", "%c3%bc.txt"],
  ...["..a", "a..b", "...a", "a...b", "..a/b..c", ".a", "a.b.c", "_", "0"],
  ...["console", "con-fig.json", "nulls.txt", "com10", "com", "lpt", "auxiliary/x", "icon", "a.con", "prn2"],
  ...["constructor", "__proto__", "toString/valueOf", "hasOwnProperty"],
].map(named);

export const LONGEST_PATHS: readonly PathCase[] = [
  { name: "a part of 255 bytes", path: "x".repeat(255) },
  { name: "a part of 255 bytes in 85 characters", path: "模".repeat(85) },
  { name: "a path of 1024 bytes", path: `${`${"y".repeat(203)}/`.repeat(5)}xxxx` },
  { name: "32 folders", path: `${"d/".repeat(31)}x` },
];

/** Paths that are safe alone, but not in one tree: equal, equal on some disks, or a file where another needs a folder. */
export const UNSAFE_TREES: readonly { name: string; paths: readonly string[] }[] = [
  { name: "the same path twice", paths: ["a", "b", "a"] },
  { name: "case", paths: ["README.md", "readme.md"] },
  { name: "case in a folder", paths: ["Weights/a", "weights/A"] },
  { name: "case beyond ASCII", paths: ["Ä.bin", "ä.bin"] },
  { name: "case in Cyrillic", paths: ["Модель", "модель"] },
  { name: "ß and ss", paths: ["straße", "strasse"] },
  { name: "ß and SS", paths: ["straße", "STRASSE"] },
  { name: "both forms of the small sigma", paths: ["οδος", "οδοσ"] },
  { name: "long s", paths: ["pa\u017f", "pas"] },
  { name: "the micro sign and mu", paths: ["\u00b5m", "\u03bcm"] },
  { name: "a ligature", paths: ["\ufb01le", "file"] },
  { name: "a file under a file", paths: ["a", "a/b"] },
  { name: "a file under a file, told first", paths: ["a/b", "a"] },
  { name: "a file deep under a file", paths: ["a/b/c/d/e", "x", "a/b"] },
  { name: "a file under a file of another case", paths: ["A", "a/b"] },
  { name: "a file under a file of another case, sharp s", paths: ["STRASSE", "straße/b"] },
];

export const SAFE_TREES: readonly { name: string; paths: readonly string[] }[] = [
  { name: "nothing", paths: [] },
  { name: "neighbours", paths: ["a", "a.b", "a b", "b/a", "b/b", "ab/a"] },
  { name: "a name that begins another", paths: ["weights", "weights-2/a", "weights.bin"] },
  { name: "Chinese", paths: ["模型", "模", "型/模型"] },
  { name: "members of every object", paths: ["constructor", "__proto__", "toString"] },
];

/** Links whose target leaves the tree, or may leave it through another link. git-lfs CVE-2025-26625, gitoxide CVE-2026-44471. */
export const UNSAFE_LINKS: readonly { path: string; target: string }[] = [
  ...[
    "",
    "/",
    "/etc/passwd",
    "//host/share",
    "..",
    "../x",
    "../../x",
    "./..",
    ".",
    "./",
    "./.",
    "C:\\x",
    "C:x",
    "c:/x",
    "\\x",
    "..\\x",
    "\\\\host\\x",
  ].map((target) => ({ path: "link", target })),
  ...["../..", "../../x", "../../../etc/passwd", ".//..//..//x", "..", "../"].map((target) => ({ path: "folder/link", target })),
  ...["x/..", "x/../y", "x/../../y", "x/y/../../z", "./x/../y", "a/b/c/../../../../x"].map((target) => ({ path: "folder/link", target })),
  ...["a\0b", "a\nb", "a\u202eb", "\ud800", "x\ud800", "e\u0301", ".git/hooks/x", "../.git/config", "con", "a.", "%2e%2e/x", "..%2fx"].map(
    (target) => ({
      path: "folder/link",
      target,
    }),
  ),
  { path: "folder/link", target: "x".repeat(256) },
  { path: "folder/link", target: `${"./".repeat(600)}x` },
  { path: `${"d/".repeat(30)}link`, target: "a/b/c" },
];

export const SAFE_LINKS: readonly { path: string; target: string }[] = [
  { path: "link", target: "file" },
  { path: "link", target: "./file" },
  { path: "link", target: "folder/file" },
  { path: "link", target: "folder//file/" },
  { path: "link", target: "folder/./file" },
  { path: "folder/link", target: "../file" },
  { path: "folder/link", target: ".././file" },
  { path: "snapshots/0123/model.safetensors", target: "../../blobs/4567" },
  { path: "a/b/link", target: "../.." + "/模型" },
  { path: "link", target: "link" },
];

function named(path: string): PathCase {
  return { name: JSON.stringify(path), path };
}
