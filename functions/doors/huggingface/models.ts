/**
 * What Hub clients read besides files: who asks, repositories, their files, refs and history.
 *
 * Gaps: models only (a dataset or space is one that isn't there); `expand` is ignored and everything told; a file's last commit is the
 * revision that was asked for; YAML is not validated; likes, downloads and the like are 0.
 */
import type { Context } from "hono";
import * as z from "zod";
import { DEFAULT_BRANCH } from "../../../shared/contract/repositories.ts";
import { FerryError } from "../../../shared/errors.ts";
import { NamePart } from "../../../shared/names.ts";
import type { Catalog, Snapshot } from "../catalog.ts";
import type { Told } from "../gate.ts";
import { partsOf, refOf, repositoryIn, revisionIn } from "./address.ts";
import { fileItem, folderItem, type LastCommit, lastCommit, pathsBelow, titleOf } from "./entries.ts";

const TREE_PAGE_MAX = 1_000;
const TREE_EXPANDED_MAX = 100;
const LIST_PAGE_MAX = 500;
const PATHS_MAX = 10_000;
const GATEWAY = { gated: false, disabled: false, downloads: 0, likes: 0, tags: [], private: true };

export type Answering = (c: Context, catalog: Catalog, told: Told) => Promise<Response>;

export const whoAmI: Answering = async (c, { person }) =>
  c.json({
    type: "user",
    id: person.name,
    name: person.name,
    fullname: person.name,
    isPro: false,
    orgs: person.namespaces.map((name) => ({ type: "org", id: name, name, fullname: name, roleInOrg: "write" })),
    auth: {
      type: "access_token",
      accessToken: { displayName: person.name, role: person.mayWrite ? "write" : "read", createdAt: "1970-01-01T00:00:00.000Z" },
    },
  });

/** /api/models/<namespace>/<name>[/revision/<revision>] */
export const modelInfo: Answering = async (c, catalog, told) => {
  const { repository, rest } = targetOf(c, told);
  const ref = rest.length === 0 ? DEFAULT_BRANCH : revisionIn(repository, rest).ref;
  const snapshot = await catalog.snapshot(repository, ref);
  const withBlobs = c.req.query("blobs")?.toLowerCase() === "true";
  const siblings = await Promise.all(
    snapshot.files.map(async (file) => {
      if (!withBlobs) return { rfilename: file.path };
      const { oid, size, lfs } = await fileItem(file);
      return { rfilename: file.path, blobId: oid, size, lfs: { sha256: lfs.oid, size, pointerSize: lfs.pointerSize } };
    }),
  );
  const usedStorage = snapshot.files.reduce((sum, { size }) => sum + size, 0);
  return c.json({ ...modelOf(repository, snapshot.createdAt), ...revised(snapshot), siblings, usedStorage });
};

function modelOf(repository: string, createdAt: string) {
  return { _id: repository, id: repository, modelId: repository, author: repository.split("/")[0] ?? "", createdAt, ...GATEWAY };
}

function revised({ revision }: Snapshot) {
  return { sha: revision.id, lastModified: revision.time };
}

export const listModels: Answering = async (c, catalog) => {
  const { author, search, cursor } = c.req.query();
  const namespace = author === undefined ? undefined : NamePart.safeParse(author).data;
  if (author !== undefined && namespace === undefined) return c.json([]);
  const limit = boundedInt(c.req.query("limit"), LIST_PAGE_MAX);
  const { repositories, next } = await catalog.list({ namespace, search, cursor, limit });
  tellNext(c, next);
  return c.json(repositories.map(({ repository, createdAt }) => modelOf(repository, createdAt)));
};

/** /api/models/<namespace>/<name>/tree/<revision>[/<folder>] */
export const tree: Answering = async (c, catalog, told) => {
  const { repository, rest } = targetOf(c, told);
  const { ref, rest: folder } = revisionIn(repository, rest);
  const snapshot = await catalog.snapshot(repository, ref);
  const { recursive, expand, cursor } = c.req.query();
  const isExpanded = expand?.toLowerCase() === "true";
  const all = pathsBelow(snapshot, folder.replace(/\/+$/, ""), recursive?.toLowerCase() === "true");
  if (all.length === 0 && folder !== "")
    throw new FerryError("FILE_UNKNOWN", { revision: snapshot.revision.id, path: folder.slice(0, 1024) });
  const start = boundedInt(cursor, all.length, 0);
  const page = all.slice(start, start + boundedInt(c.req.query("limit"), isExpanded ? TREE_EXPANDED_MAX : TREE_PAGE_MAX));
  const end = start + page.length;
  tellNext(c, end < all.length ? String(end) : null);
  return c.json(await Promise.all(page.map((item) => itemOf(snapshot, item, isExpanded))));
};

async function itemOf(snapshot: Snapshot, { path, file }: ReturnType<typeof pathsBelow>[number], isExpanded: boolean) {
  const item = file === null ? await folderItem(snapshot, path) : await fileItem(file);
  const more: LastCommit = isExpanded ? lastCommit(snapshot) : {};
  return { ...item, ...more };
}

const PathsBody = z.object({ paths: z.union([z.array(z.string()), z.string()]).default([]), expand: z.boolean().default(false) });

/** Python sends a form, JavaScript sends JSON. Paths that are not there are left out. */
export const pathsInfo: Answering = async (c, catalog, told) => {
  const { repository, rest } = targetOf(c, told);
  const snapshot = await catalog.snapshot(repository, revisionIn(repository, rest).ref);
  const { paths, isExpanded } = await pathsIn(c);
  const folders = new Set(pathsBelow(snapshot, "", true).flatMap(({ path, file }) => (file === null ? [path] : [])));
  const items = paths.map((path) => ({ path: path.replace(/\/+$/, ""), file: snapshot.find(path) }));
  const known = items.filter(({ path, file }) => file !== null || folders.has(path));
  return c.json(await Promise.all(known.map((item) => itemOf(snapshot, item, isExpanded))));
};

async function pathsIn(c: Context): Promise<{ paths: string[]; isExpanded: boolean }> {
  const isJson = /^application\/json/i.test(c.req.header("content-type") ?? "");
  const form = isJson ? null : new URLSearchParams(await c.req.text());
  const given =
    form === null ? await c.req.json().catch(() => null) : { paths: form.getAll("paths"), expand: /true/i.test(form.get("expand") ?? "") };
  const parsed = PathsBody.safeParse(given);
  const paths = [parsed.data?.paths ?? []].flat();
  if (!parsed.success || paths.length > PATHS_MAX) throw new FerryError("REQUEST_INVALID", { problem: "body: paths are expected" });
  return { paths, isExpanded: parsed.data.expand };
}

export const refs: Answering = async (c, catalog, told) => {
  const { repository } = targetOf(c, told);
  const { branches, tags } = await catalog.names(repository);
  const listed = (names: Readonly<Record<string, string>>, kind: string) =>
    Object.entries(names).map(([name, targetCommit]) => ({ name, ref: `refs/${kind}/${name}`, targetCommit }));
  const pullRequests = c.req.query("include_prs") === undefined ? {} : { pullRequests: [] };
  return c.json({ branches: listed(branches, "heads"), converts: [], tags: listed(tags, "tags"), ...pullRequests });
};

export const commits: Answering = async (c, catalog, told) => {
  const { repository, rest } = targetOf(c, told);
  const ref = refOf(repository, rest.join("/"));
  const limit = boundedInt(c.req.query("limit"), LIST_PAGE_MAX);
  const { revisions, next, total } = await catalog.history(repository, ref, { cursor: c.req.query("cursor"), limit });
  tellNext(c, next);
  c.header("x-total-count", String(total));
  return c.json(
    revisions.map(({ id, message, time, author }) => {
      const authors = [{ user: author, avatar: "" }];
      return { id, title: titleOf(message), message: message.slice(titleOf(message).length).trim(), date: time, authors };
    }),
  );
};

export const authCheck: Answering = async (c, catalog, told) => {
  const { repository, rest } = targetOf(c, told);
  await catalog.demand(repository, rest[0] === "write" ? "push" : "pull");
  return c.json({});
};

export const validateYaml: Answering = async (c) => c.json({ errors: [], warnings: [] });

/** Path: /api/models/<namespace>/<name>/<what>/<rest>. */
export function targetOf(c: Context, told: Told) {
  const [, , namespace, name, , ...rest] = partsOf(c.req.url);
  const repository = repositoryIn(namespace, name);
  told.repository = repository;
  return { repository, rest };
}

/** The Hub's clients want an absolute URL and a space after the semicolon. */
function tellNext(c: Context, cursor: string | null): void {
  if (cursor === null) return;
  const url = new URL(c.req.url);
  url.searchParams.set("cursor", cursor);
  c.header("link", `<${url.href}>; rel="next"`);
}

function boundedInt(text: string | undefined, max: number, otherwise = max): number {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Math.min(Number(text), max) : otherwise;
}
