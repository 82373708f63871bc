/**
 * Which file paths a manifest may hold. One rule for commit and pull, so that what one system stored can't escape another's disk.
 * The rows answer published weaknesses of comparable tools (path escapes by '..', drive letters, UNC names, backslashes, reserved names).
 */
const SEGMENT_BYTES_MAX = 255;
const PATH_BYTES_MAX = 1024;
const DEPTH_MAX = 32;
const RESERVED = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\.|$)/i;
// Controls, line separators, and marks that change the direction or hide characters: a name must look like what it is.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this refuses.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

const encoder = new TextEncoder();

/** Why `path` may not be stored, or null when it may. */
export function pathProblem(path: string): string | null {
  if (path.length === 0) return "it is empty";
  if (LONE_SURROGATE.test(path)) return "it is not valid Unicode";
  if (UNPRINTABLE.test(path)) return "it has control or invisible characters";
  if (path.includes("\\")) return "it has a backslash";
  if (path.includes(":")) return "it has a colon";
  if (path.startsWith("/")) return "it is absolute";
  if (path.normalize("NFC") !== path) return "it is not in Unicode NFC";
  if (encoder.encode(path).length > PATH_BYTES_MAX) return `it is longer than ${PATH_BYTES_MAX} bytes`;
  const segments = path.split("/");
  if (segments.length > DEPTH_MAX) return `it is deeper than ${DEPTH_MAX} folders`;
  for (const segment of segments) {
    const problem = segmentProblem(segment);
    if (problem !== null) return problem;
  }
  return null;
}

function segmentProblem(segment: string): string | null {
  if (segment === "") return "it has an empty part";
  const plain = segment.replace(/%(25)*2e/gi, ".");
  if (plain === "." || plain === "..") return "it has a '.' or '..' part";
  if (/[. ]$/.test(segment) || segment.startsWith(" ")) return "a part begins with a space, or ends with a dot or a space";
  if (segment.toLowerCase() === ".git") return "it has a '.git' part";
  if (RESERVED.test(segment)) return "a part is a reserved device name";
  if (encoder.encode(segment).length > SEGMENT_BYTES_MAX) return `a part is longer than ${SEGMENT_BYTES_MAX} bytes`;
  return null;
}

/** Why a link at `path` may not point at `target` (relative, with '/'), or null. Links stay inside the tree. */
export function linkProblem(path: string, target: string): string | null {
  if (target.length === 0 || target.startsWith("/") || /[\\:]/.test(target) || UNPRINTABLE.test(target))
    return "its target is not a plain relative path";
  if (encoder.encode(target).length > PATH_BYTES_MAX) return `its target is longer than ${PATH_BYTES_MAX} bytes`;
  const at = path.split("/").slice(0, -1);
  for (const segment of target.split("/")) {
    if (segment === "..") {
      if (at.pop() === undefined) return "its target is outside the tree";
    } else if (segment !== "." && segment !== "") at.push(segment);
  }
  return at.length === 0 ? "its target is the tree itself" : pathProblem(at.join("/"));
}

/** Why these paths can't stand in one tree, or null: equal, equal but for case, or one inside another that is a file. */
export function treeProblem(paths: readonly string[]): { path: string; problem: string } | null {
  const folded = new Map<string, string>();
  for (const path of paths) {
    const key = path.toLowerCase();
    const other = folded.get(key);
    if (other !== undefined) return { path, problem: other === path ? "it occurs twice" : `it differs from ${other} only in case` };
    folded.set(key, path);
  }
  for (const path of paths) {
    const segments = path.toLowerCase().split("/");
    for (let depth = 1; depth < segments.length; depth++) {
      const parent = folded.get(segments.slice(0, depth).join("/"));
      if (parent !== undefined) return { path, problem: `its folder ${parent} is a file` };
    }
  }
  return null;
}
