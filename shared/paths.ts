/**
 * Which file paths a manifest may hold. One rule for commit and pull, so that what one system stored can't escape another's disk.
 * The rows answer published weaknesses of comparable tools (path escapes by '..', drive letters, UNC names, backslashes, reserved names).
 */
const SEGMENT_BYTES_MAX = 255;
const PATH_BYTES_MAX = 1024;
const DEPTH_MAX = 32;
/** Windows takes the part before the first dot for a device, also with spaces behind it. */
const RESERVED = /^(con|prn|aux|nul|com[0-9]|lpt[0-9]|conin\$|conout\$) *(\.|$)/i;
/** The folder whose hooks git runs, and the short name by which NTFS may know it. */
const GIT = /^(\.git|git~[0-9]+)$/i;
const ASCII = /^[\x20-\x7e]*$/;
// Controls, line separators, noncharacters, and marks that change the direction or hide: a name must look like what it is.
// Variation selectors stay: emoji and Chinese characters are written with them.
const UNPRINTABLE =
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}[\p{Default_Ignorable_Code_Point}--[\ufe00-\ufe0f\u{e0100}-\u{e01ef}]]]/v;
/** How often a careless reader may decode percent codes. */
const DECODINGS = 4;

const encoder = new TextEncoder();

/** Why `path` may not be stored, or null when it may. */
export function pathProblem(path: string): string | null {
  if (path.length === 0) return "it is empty";
  const hidden = characterProblem(path);
  if (hidden !== null) return hidden;
  if (path.includes("\\")) return "it has a backslash";
  if (path.includes(":")) return "it has a colon";
  if (path.startsWith("/")) return "it is absolute";
  if (!ASCII.test(path) && path.normalize("NFC") !== path) return "it is not in Unicode NFC";
  if (utf8Bytes(path) > PATH_BYTES_MAX) return `it is longer than ${PATH_BYTES_MAX} bytes`;
  const segments = path.split("/");
  if (segments.length > DEPTH_MAX) return `it is deeper than ${DEPTH_MAX} folders`;
  for (const segment of segments) {
    const problem = segmentProblem(segment);
    if (problem !== null) return problem;
  }
  return path.includes("%") && leavesWhenDecoded(path) ? "its percent codes hide a '..', a separator or a control character" : null;
}

function characterProblem(text: string): string | null {
  if (ASCII.test(text)) return null;
  if (!text.isWellFormed()) return "it is not valid Unicode";
  return UNPRINTABLE.test(text) ? "it has control or invisible characters" : null;
}

function segmentProblem(segment: string): string | null {
  if (segment === "") return "it has an empty part";
  // Wide and superscript forms look like the plain ones, and some systems take them for those.
  const plain = ASCII.test(segment) ? segment : segment.normalize("NFKC");
  if (isDots(plain)) return "it has a '.' or '..' part";
  if (/[. ]$/.test(segment) || segment.startsWith(" ")) return "a part begins with a space, or ends with a dot or a space";
  if (GIT.test(plain)) return "it has a '.git' part";
  if (RESERVED.test(plain)) return "a part is a reserved device name";
  if (utf8Bytes(segment) > SEGMENT_BYTES_MAX) return `a part is longer than ${SEGMENT_BYTES_MAX} bytes`;
  return null;
}

/** A manifest has many paths, and nearly all are short. */
function utf8Bytes(text: string): number {
  return text.length <= SEGMENT_BYTES_MAX / 3 ? text.length : encoder.encode(text).length;
}

function isDots(segment: string): boolean {
  return segment === "." || segment === "..";
}

/** Paths are never decoded here; this is what a reader would see who decodes once, or several times too often. */
function leavesWhenDecoded(path: string): boolean {
  let seen = path;
  for (let pass = 0; pass < DECODINGS && seen.includes("%"); pass++) {
    seen = seen.replace(/%(?:25)*([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this refuses.
  return seen.startsWith("/") || /^[a-z]:|[\\\u0000-\u001f\u007f]/i.test(seen) || seen.split("/").some(isDots);
}

/** Why a link at `path` may not point at `target` (relative, with '/'), or null. Links stay inside the tree. */
export function linkProblem(path: string, target: string): string | null {
  if (target.length === 0 || target.startsWith("/") || /[\\:]/.test(target) || characterProblem(target) !== null)
    return "its target is not a plain relative path";
  if (encoder.encode(target).length > PATH_BYTES_MAX) return `its target is longer than ${PATH_BYTES_MAX} bytes`;
  const steps = target.split("/").filter((step) => step !== "." && step !== "");
  const down = steps.findIndex((step) => step !== "..");
  const names = down < 0 ? [] : steps.slice(down);
  // A name on the way may be another link, and '..' behind it would lead out of wherever that one points.
  if (names.includes("..")) return "its target has a '..' behind a name";
  const folders = path.split("/").slice(0, -1);
  const left = folders.length - (steps.length - names.length);
  if (left < 0) return "its target is outside the tree";
  const meant = [...folders.slice(0, left), ...names];
  return meant.length === 0 ? "its target is the tree itself" : pathProblem(meant.join("/"));
}

/** Why these paths can't stand in one tree, or null: equal, equal but for case, or one inside another that is a file. */
export function treeProblem(paths: readonly string[]): { path: string; problem: string } | null {
  const folded = new Map<string, string>();
  for (const path of paths) {
    const key = foldCase(path);
    const other = folded.get(key);
    if (other !== undefined) return { path, problem: other === path ? "it occurs twice" : `it differs from ${other} only in case` };
    folded.set(key, path);
  }
  for (const [key, path] of folded) {
    for (let slash = key.indexOf("/"); slash !== -1; slash = key.indexOf("/", slash + 1)) {
      const parent = folded.get(key.slice(0, slash));
      if (parent !== undefined) return { path, problem: `its folder ${parent} is a file` };
    }
  }
  return null;
}

/** By way of upper case, since some letters meet only there (ß and SS, ς and σ, ſ and S): disks differ in which of them they take for one. */
function foldCase(path: string): string {
  return ASCII.test(path) ? path.toLowerCase() : path.toUpperCase().toLowerCase();
}
