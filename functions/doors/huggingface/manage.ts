/**
 * Repositories, branches and tags, as Hub clients make and remove them.
 *
 * Gaps: repositories can't be made public; gated access is what scopes of tokens are for. A new branch begins with a revision of its own, on
 * the same files. What is squashed or deleted from history lies in the trash for its fourteen days.
 */
import type { Context } from "hono";
import * as z from "zod";
import { Digest } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { RepositoryName } from "../../../shared/names.ts";
import type { Told } from "../gate.ts";
import type { Workshop } from "../workshop.ts";
import { refOf, repositoryIn } from "./address.ts";
import { readHubJson } from "./bodies.ts";
import { GIT_ATTRIBUTES } from "./git-attributes.ts";
import { targetOf } from "./models.ts";

export type Working = (c: Context, workshop: Workshop, told: Told) => Promise<Response>;

const CreateBody = z.object({
  name: z.string(),
  organization: z.string().nullish(),
  type: z.string().nullish(),
  private: z.boolean().nullish(),
  visibility: z.string().nullish(),
});

export const createRepo: Working = async (c, workshop, told) => {
  const body = await readHubJson(c, CreateBody);
  const repository = named(workshop, body);
  told.repository = repository;
  const made = { url: `${new URL(c.req.url).origin}/${repository}`, name: repository, id: repository };
  try {
    await workshop.create(repository);
  } catch (error) {
    if (!(error instanceof FerryError) || error.code !== "REPOSITORY_EXISTS") throw error;
    // `exist_ok` reads the URL out of the refusal.
    return c.json({ ...made, error: "You already created this model repo" }, 409);
  }
  await workshop.commit(repository, { branch: "main", parent: undefined, message: "initial commit" }, initial());
  return c.json(made);
};

async function* initial() {
  yield { kind: "bytes" as const, path: ".gitattributes", bytes: new TextEncoder().encode(GIT_ATTRIBUTES) };
}

function named(
  { person }: Workshop,
  { name, organization, type }: Pick<z.infer<typeof CreateBody>, "name" | "organization" | "type">,
): RepositoryName {
  if (type !== undefined && type !== null && type !== "model")
    throw new FerryError("REQUEST_INVALID", { problem: "only models are kept here" });
  const [first = "", ...rest] = name.split("/");
  const namespace = organization ?? (rest.length > 0 ? first : person.name);
  try {
    return repositoryIn(namespace, rest.length > 0 ? rest.join("/") : first);
  } catch {
    throw new FerryError("REQUEST_INVALID", {
      problem: `name: ${namespace}/${first} is no name of a repository; give namespace/name`.slice(0, 300),
    });
  }
}

export const deleteRepo: Working = async (c, workshop, told) => {
  const body = await readHubJson(c, CreateBody);
  const repository = named(workshop, body);
  told.repository = repository;
  await workshop.remove(repository);
  return c.json({});
};

const SettingsBody = z.object({ private: z.boolean().optional(), visibility: z.string().optional(), gated: z.unknown().optional() });

export const settings: Working = async (c, workshop, told) => {
  const { repository } = targetOf(c, told);
  await workshop.demand(repository, "push");
  const body = await readHubJson(c, SettingsBody);
  if (body.private === false || body.visibility === "public" || (body.gated !== undefined && body.gated !== false))
    throw new FerryError("REQUEST_INVALID", { problem: "repositories are private here: who may read is said by the scopes of tokens" });
  return c.json({});
};

const BranchBody = z.object({ startingPoint: z.string().nullish() });

export const createBranch: Working = async (c, workshop, told) => {
  const { repository, rest } = targetOf(c, told);
  const { startingPoint } = await readHubJson(c, BranchBody);
  const ref = startingPoint === null || startingPoint === undefined ? undefined : refOf(repository, startingPoint);
  await workshop.createBranch(repository, rest.join("/"), ref);
  return c.json({});
};

export const deleteBranch: Working = async (c, workshop, told) => {
  const { repository, rest } = targetOf(c, told);
  await workshop.removeBranch(repository, rest.join("/"));
  return c.json({});
};

const TagBody = z.object({ tag: z.string(), message: z.string().nullish() });

/** The path names the revision, the body the tag. */
export const createTag: Working = async (c, workshop, told) => {
  const { repository, rest } = targetOf(c, told);
  const { tag, message } = await readHubJson(c, TagBody);
  await workshop.tag(repository, tag, { ref: refOf(repository, rest.join("/")), message: message ?? "" });
  return c.json({});
};

export const deleteTag: Working = async (c, workshop, told) => {
  const { repository, rest } = targetOf(c, told);
  await workshop.untag(repository, rest.join("/"));
  return c.json({});
};

const MoveBody = z.object({ fromRepo: z.string(), toRepo: z.string(), type: z.string().nullish() });

export const moveRepo: Working = async (c, workshop, told) => {
  const { fromRepo, toRepo, type } = await readHubJson(c, MoveBody);
  const from = named(workshop, { name: fromRepo, type });
  const to = named(workshop, { name: toRepo, type });
  told.repository = from;
  told.about = { to };
  await workshop.move(from, to);
  return c.json({ url: `${new URL(c.req.url).origin}/${to}` });
};

const SquashBody = z.object({ message: z.string().nullish() });

export const superSquash: Working = async (c, workshop, told) => {
  const { repository, rest } = targetOf(c, told);
  const branch = refOf(repository, rest.join("/"));
  const { message } = await readHubJson(c, SquashBody);
  told.about = { branch };
  await workshop.squash(repository, branch, message || `Super-squash branch '${branch}'`);
  return c.json({});
};

/** All files are listed as LFS files. */
export const lfsFiles: Working = async (c, workshop, told) => {
  const { repository } = targetOf(c, told);
  const files = await workshop.filesEver(repository);
  return c.json(
    files.map(({ path, sha256, size, branch, time }) => {
      return { fileOid: sha256, oid: sha256, filename: path, size, pushedAt: time, ref: `refs/heads/${branch}` };
    }),
  );
};

const DeletionsBody = z.object({
  deletions: z.object({ sha: z.array(Digest).min(1).max(1_000), rewriteHistory: z.boolean().default(true) }),
});

export const deleteLfsFiles: Working = async (c, workshop, told) => {
  const { repository } = targetOf(c, told);
  const { sha, rewriteHistory } = (await readHubJson(c, DeletionsBody)).deletions;
  if (!rewriteHistory) throw new FerryError("REQUEST_INVALID", { problem: "rewriteHistory: no revision can name files that are gone" });
  told.about = { files: sha.slice(0, 10).join(" ") };
  await workshop.expunge(repository, sha);
  return c.json({ success: true });
};
