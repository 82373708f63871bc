/** Grammar of the names that people choose: safe in URLs, in object keys and on every disk. All parsers take decoded text and never decode again. */
import * as z from "zod";

const PART = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?(?![\s\S])/;

function isPart(text: string): boolean {
  return PART.test(text) && !text.includes("..") && !text.includes("--") && !text.endsWith(".git");
}

const partRule = "letters, digits, '.', '_' and '-'; at most 96; begins with a letter or digit; no '..', '--' or '.git' at the end";
export const NamePart = z.string().refine(isPart, partRule);

/** `namespace/name`. */
export const RepositoryName = z
  .string()
  .refine((text) => text.split("/").length === 2 && text.split("/").every(isPart), `namespace/name, each of ${partRule}`)
  .brand<"RepositoryName">();
export type RepositoryName = z.infer<typeof RepositoryName>;

export const RevisionId = z
  .string()
  .regex(/^[0-9a-f]{40}(?![\s\S])/, "40 lower-case hex characters")
  .brand<"RevisionId">();
export type RevisionId = z.infer<typeof RevisionId>;

function isRefName(text: string): boolean {
  return text.length <= 128 && !RevisionId.safeParse(text).success && text.split("/").every(isPart);
}

const refRule = "at most 128 characters of letters, digits, '.', '_', '-' and single '/'; not 40 hex characters";
/** A branch or a tag; may have '/' inside. */
export const RefName = z.string().refine(isRefName, refRule).brand<"RefName">();
export type RefName = z.infer<typeof RefName>;

/** What a reader may ask for: a branch, a tag, or a revision id. */
export const Ref = z.string().refine((text) => RevisionId.safeParse(text).success || isRefName(text), `40 hex characters, or ${refRule}`);

/** `*` within one part, `**` or a lone `*` for everything: `team/*`, `team/llama-*`, `*`. */
export const RepositoryGlob = z
  .string()
  .max(200)
  .regex(/^(\*|\*\*|[A-Za-z0-9._*-]+\/[A-Za-z0-9._*-]+)(?![\s\S])/, "'*', or namespace/name with '*' for any characters within a part");

export function matchesGlob(glob: string, name: string): boolean {
  if (glob === "*" || glob === "**") return true;
  const globParts = glob.split("/");
  const nameParts = name.split("/");
  return globParts.length === nameParts.length && globParts.every((part, at) => matchesPart(part, nameParts[at] ?? ""));
}

/** Linear two-pointer wildcard match: no regular expression is made from somebody's pattern. */
function matchesPart(glob: string, text: string): boolean {
  let [g, t, star, mark] = [0, 0, -1, 0];
  while (t < text.length) {
    if (glob[g] === "*") [star, mark] = [g++, t];
    else if (g < glob.length && glob[g] === text[t]) [g, t] = [g + 1, t + 1];
    else if (star >= 0) [g, t] = [star + 1, ++mark];
    else return false;
  }
  while (glob[g] === "*") g++;
  return g === glob.length;
}

export const StoreId = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?(?![\s\S])/, "lower-case letters, digits and '-', at most 32")
  .brand<"StoreId">();
export type StoreId = z.infer<typeof StoreId>;

/** Made by the client once per act and sent again with every retry, so that the act happens once. */
export const OperationId = z
  .string()
  .regex(/^[A-Za-z0-9_-]{16,64}(?![\s\S])/, "16 to 64 letters, digits, '_' or '-'")
  .brand<"OperationId">();
export type OperationId = z.infer<typeof OperationId>;
