/** Imports that the deployment keeps until an executor has done them: one source into one branch of a repository. */
import * as z from "zod";
import { OperationId, RefName, RepositoryGlob, RepositoryName, RevisionId } from "../names.ts";
import { DEFAULT_BRANCH } from "./repositories.ts";

/** Of one repository, that are not done. */
export const IMPORTS_MAX = 100;

const HUB = /^hf:\/\/(?:(?:models|datasets|spaces)\/)?[\w.-]+\/[\w.-]+(?:@[\w./-]+)?(?![\s\S])/;
const BUCKET = /^s3:\/\/[A-Za-z0-9][A-Za-z0-9._-]{1,62}(?:\/.*)?(?![\s\S])/;
const FOLDER = /^\/(?!\/)/;

/** No part leads upwards, however it would be read; a URL is spelled as it is asked, and holds nothing that may be a secret. */
function isSource(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  if (/[\u0000-\u001f\u007f\\]/.test(text) || text.split("/").some((part) => part === "." || part === "..")) return false;
  if (!/^https?:/.test(text)) return HUB.test(text) || BUCKET.test(text) || FOLDER.test(text);
  const url = URL.parse(text);
  return url !== null && url.href === text && url.username + url.password + url.search + url.hash === "";
}

export const ImportFrom = z
  .string()
  .max(500)
  .refine(isSource, "hf://org/name[@revision], s3://bucket/prefix, https://host/path without a query, or /a/folder of the executor");

/** What an executor imports from: such a source, or all below it (`hf://org/*`, `s3://bucket/*`, `/models/*`, `hf://*`); and into what. */
export const ImportRule = z.strictObject({
  from: z
    .string()
    .max(500)
    .regex(/^(?:(?:hf|s3|https?):\/\/[^*\s]*|\/[^*\s]*)(?:(?<=\/)\*)?(?![\s\S])/, "a source, or what it begins with and '/*'"),
  repositories: RepositoryGlob.default("*"),
});
export type ImportRule = z.infer<typeof ImportRule>;

export function isImportAllowed(rules: readonly ImportRule[], { from, repository }: { from: string; repository: string }, match: Match) {
  return rules.some((rule) => covers(rule.from, from) && match(rule.repositories, repository));
}
type Match = (glob: string, name: string) => boolean;

/** Whole parts alone: what allows `https://a.example` allows no `https://a.example.net`. */
function covers(rule: string, from: string): boolean {
  if (rule.endsWith("*")) return from.startsWith(rule.slice(0, -1));
  return from === rule || from.startsWith(rule.endsWith("/") ? rule : `${rule}/`) || from.startsWith(`${rule}@`);
}

const told = { from: ImportFrom, branch: RefName.default(RefName.parse(DEFAULT_BRANCH)), message: z.string().max(4000).optional() };

/** The operation id is the import's id, and that of its commit: so it makes one revision, whoever does it how often. */
export const ImportRequest = z.strictObject({ ...told, operationId: OperationId });
export type ImportRequest = z.infer<typeof ImportRequest>;

export const StoredImport = z.strictObject({ ...told, id: OperationId, by: z.string(), requestedAt: z.iso.datetime() });
export type StoredImport = z.infer<typeof StoredImport>;

/** `retrying`: it failed, and is tried again. `unchanged`: the branch was what the source is; `revision` is its head. */
export const ImportState = z.enum(["waiting", "running", "retrying", "done", "unchanged", "failed", "cancelled"]);
export const ImportProgress = z.object({
  state: ImportState,
  executor: z.string().nullable(),
  failures: z.int(),
  problem: z.string().nullable(),
  revision: RevisionId.nullable(),
  files: z.int(),
  bytes: z.int(),
  changedAt: z.string(),
  againAt: z.string().nullable(),
});
export type ImportProgress = z.infer<typeof ImportProgress>;
export const Import = z.object({ ...StoredImport.shape, ...ImportProgress.shape });
export type Import = z.infer<typeof Import>;
export const ImportList = z.object({ imports: z.array(Import) });
export const ImportPath = z.object({ import: OperationId });

export const ImportLeaseRequest = z.strictObject({ executor: z.string().min(1).max(64), rules: z.array(ImportRule).min(1).max(50) });
export type ImportLeaseRequest = z.infer<typeof ImportLeaseRequest>;
/** Whoever says it may go on with the import; `fence` grows with each lease. */
export const ImportHeld = z.strictObject({ lease: z.string().regex(/^[0-9a-f]{16}(?![\s\S])/), fence: z.int() });
export type ImportHeld = z.infer<typeof ImportHeld>;
export const LeasedImport = z.object({ ...StoredImport.shape, ...ImportHeld.shape, repository: RepositoryName, leaseSeconds: z.int() });
export type LeasedImport = z.infer<typeof LeasedImport>;
/** `task` null: nothing to do; come again after `waitSeconds`. */
export const ImportLease = z.object({ task: LeasedImport.nullable(), waitSeconds: z.int() });
export type ImportLease = z.infer<typeof ImportLease>;

/** `problem`: why it was not done; tried again later when `again`. `unchanged`: nothing was committed, `revision` was there. */
export const ImportOutcome = z.strictObject({
  ...ImportHeld.shape,
  revision: RevisionId.optional(),
  unchanged: z.boolean().default(false),
  files: z.int().nonnegative().default(0),
  bytes: z.int().nonnegative().default(0),
  problem: z.string().max(300).optional(),
  again: z.boolean().default(true),
});
export type ImportOutcome = z.infer<typeof ImportOutcome>;
