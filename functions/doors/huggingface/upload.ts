import * as z from "zod";
import { Digest, fromBase64Url } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { MiB } from "../../../shared/units.ts";
import { pooled, STORE_WIDTH } from "../../registry/pool.ts";
import type { CatalogFile, Snapshot } from "../catalog.ts";
import type { DoorChange, Slotted, Workshop } from "../workshop.ts";
import { partsOf, refOf, repositoryIn } from "./address.ts";
import { ndjsonOf, parsedLine, readHubJson } from "./bodies.ts";
import { gitId } from "./entries.ts";
import { ignorer } from "./git-ignore.ts";
import type { Working } from "./manage.ts";
import { targetOf } from "./models.ts";

const REGULAR_BYTES_MAX = MiB;
const FILES_MAX = 1_000;
const PATIENCE_MS = 5_000;
const WARNING = "xet; this server has no Xet storage. Set HF_HUB_DISABLE_XET=1 for uploads.";

const PreuploadBody = z.object({
  files: z.array(z.object({ path: z.string(), size: z.int().min(0) })).max(FILES_MAX),
  gitIgnore: z.string().nullish(),
});

export const preupload: Working = async (c, workshop, told) => {
  const { repository, rest } = targetOf(c, told);
  await workshop.demand(repository, "push");
  const { files, gitIgnore } = await readHubJson(c, PreuploadBody);
  const snapshot = await snapshotOrNone(workshop, repository, refOf(repository, rest.join("/")));
  const isIgnored = ignorer(gitIgnore ?? "");
  const answers = await pooled(files, STORE_WIDTH, async ({ path, size }) => {
    const uploadMode = size > REGULAR_BYTES_MAX ? "lfs" : "regular";
    const oid = snapshot === null ? null : await oidOf(workshop, snapshot, { path, size });
    return { path, uploadMode, shouldIgnore: isIgnored(path), ...(oid === null ? {} : { oid }) };
  });
  if (answers.some(({ uploadMode }) => uploadMode === "lfs")) c.header("x-hf-warning", WARNING);
  return c.json({ files: answers, ...(snapshot === null ? {} : { commitOid: snapshot.revision.id }) });
};

async function snapshotOrNone(workshop: Workshop, repository: Snapshot["repository"], ref: string): Promise<Snapshot | null> {
  try {
    return await workshop.snapshot(repository, ref);
  } catch (error) {
    // Nothing was committed yet.
    if (error instanceof FerryError && error.code === "REF_UNKNOWN" && ref === "main") return null;
    throw error;
  }
}

/** What a client compares with its file to leave out what is there: of small files git's id, which needs their bytes. */
async function oidOf(workshop: Workshop, snapshot: Snapshot, { path, size }: { path: string; size: number }): Promise<string | null> {
  const file = snapshot.find(path);
  if (file === null || file.size !== size) return null;
  return size > REGULAR_BYTES_MAX ? file.sha256 : gitId("blob", await bytesOf(workshop, snapshot, file));
}

async function bytesOf(workshop: Workshop, snapshot: Snapshot, file: CatalogFile): Promise<Uint8Array> {
  const bytes = new Uint8Array(file.size);
  let at = 0;
  for (const { of, offset, length } of await workshop.pieces(snapshot, file, { start: 0, end: file.size })) {
    const stream = await workshop.open(of, { offset, length }, new AbortController().signal);
    const part = new Uint8Array(await new Response(stream).arrayBuffer());
    bytes.set(part.subarray(0, file.size - at), at);
    at += part.length;
  }
  return bytes;
}

const BatchBody = z.object({
  operation: z.enum(["upload", "download"]),
  hash_algo: z.string().optional(),
  objects: z.array(z.object({ oid: Digest, size: z.int().min(0) })).max(FILES_MAX),
});

/** /<namespace>/<name>.git/info/lfs/objects/batch */
export const lfsBatch: Working = async (c, workshop, told) => {
  const [namespace, git = ""] = partsOf(c.req.url);
  const repository = repositoryIn(namespace, git.replace(/\.git$/, ""));
  told.repository = repository;
  const { operation, hash_algo: algorithm = "sha256", objects } = await readHubJson(c, BatchBody);
  if (operation !== "upload") throw new FerryError("REQUEST_INVALID", { problem: "operation: files are downloaded by /resolve" });
  if (!/^sha_?256$/.test(algorithm)) throw new FerryError("REQUEST_INVALID", { problem: "hash_algo: only sha256 is known here" });
  const slotted = await workshop.stage(
    repository,
    objects.filter(({ size }) => size > 0).map(({ oid, size }) => ({ sha256: oid, size })),
  );
  const base = `${new URL(c.req.url).origin}/${repository}.git/info/lfs`;
  const empty = objects.filter(({ size }) => size === 0).map(({ oid, size }) => ({ oid, size }));
  const isMultipart = slotted.some(({ upload }) => (upload?.urls.length ?? 0) > 1);
  const answer = { transfer: isMultipart ? "multipart" : "basic", objects: [...empty, ...slotted.map((file) => objectOf(base, file))] };
  return c.body(JSON.stringify(answer), 200, { "content-type": "application/vnd.git-lfs+json" });
};

function objectOf(base: string, { sha256: oid, size, upload }: Slotted) {
  if (upload === null) return { oid, size };
  const { urls, pieceBytes, ticket } = upload;
  const verify = { href: `${base}/verify` };
  const [only] = urls;
  if (urls.length === 1 && only !== undefined) return { oid, size, actions: { upload: { href: only, header: {} }, verify } };
  const parts = Object.fromEntries(urls.map((url, at) => [String(at + 1).padStart(5, "0"), url]));
  const href = `${base}/complete?ticket=${ticket}`;
  return { oid, size, actions: { upload: { href, header: { chunk_size: String(pieceBytes), ...parts } }, verify } };
}

const VerifyBody = z.object({ oid: Digest, size: z.int().min(0) });

export const lfsVerify: Working = async (c, workshop, told) => {
  const [namespace, git = ""] = partsOf(c.req.url);
  const repository = repositoryIn(namespace, git.replace(/\.git$/, ""));
  told.repository = repository;
  const { oid, size } = await readHubJson(c, VerifyBody);
  return patiently(size === 0 ? Promise.resolve() : workshop.finish(repository, { sha256: oid, size }));
};

/** Answers when the work is done; when that takes long it begins to answer, and trickles. */
export async function patiently(work: Promise<void>): Promise<Response> {
  const timer = Promise.withResolvers<"late">();
  const waiting = setTimeout(() => timer.resolve("late"), PATIENCE_MS);
  const first = await Promise.race([work.then(() => "done" as const), timer.promise]).finally(() => clearTimeout(waiting));
  const headers = { "content-type": "application/vnd.git-lfs+json", "cache-control": "no-store, no-transform" };
  if (first === "done") return new Response("{}", { headers });
  let ended = false;
  const end = work.then(
    () => "{}",
    () => '{"message":"the file is not what it was called, or is not whole"}',
  );
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (ended) return controller.close();
      const tick = Promise.withResolvers<string>();
      const timeout = setTimeout(() => tick.resolve(" "), PATIENCE_MS);
      const text = await Promise.race([end, tick.promise]).finally(() => clearTimeout(timeout));
      ended = text !== " ";
      controller.enqueue(encoder.encode(text));
    },
  });
  return new Response(body, { headers });
}

const HeaderLine = z.object({ summary: z.string().default(""), description: z.string().nullish(), parentCommit: z.string().nullish() });
const CommitLine = z.discriminatedUnion("key", [
  z.object({ key: z.literal("header"), value: HeaderLine }),
  z.object({ key: z.literal("file"), value: z.object({ path: z.string(), content: z.string(), encoding: z.string().default("utf-8") }) }),
  z.object({ key: z.literal("lfsFile"), value: z.object({ path: z.string(), algo: z.string().default("sha256"), oid: Digest }) }),
  z.object({ key: z.literal("deletedFile"), value: z.object({ path: z.string() }) }),
  z.object({ key: z.literal("deletedFolder"), value: z.object({ path: z.string() }) }),
]);

/** /api/models/<namespace>/<name>/commit/<branch> */
export const commit: Working = async (c, workshop, told) => {
  const { repository, rest } = targetOf(c, told);
  const create = c.req.query("create_pr");
  if (create !== undefined && create !== "0" && create !== "false")
    throw new FerryError("REQUEST_INVALID", { problem: "create_pr: there are no pull requests here" });
  const branch = refOf(repository, rest.join("/"));
  const lines = ndjsonOf(c.req.raw);
  const first = await lines.next();
  const header = first.done ? null : parsedLine(CommitLine, first.value);
  if (header?.key !== "header") throw new FerryError("REQUEST_INVALID", { problem: "body: its first line is the header" });
  const { summary, description, parentCommit } = header.value;
  const message = description ? `${summary}\n\n${description}` : summary;
  const oid = await workshop.commit(repository, { branch, parent: parentCommit ?? undefined, message }, changesIn(lines));
  told.about = { branch, revision: oid };
  const commitUrl = `${new URL(c.req.url).origin}/${repository}/commit/${oid}`;
  return c.json({ success: true, commitOid: oid, commitUrl, hookOutput: "", pullRequestUrl: null });
};

async function* changesIn(lines: AsyncIterable<string>): AsyncGenerator<DoorChange> {
  for await (const text of lines) {
    const line = parsedLine(CommitLine, text);
    if (line.key !== "header") yield changeOf(line);
  }
}

function changeOf(line: Exclude<z.infer<typeof CommitLine>, { key: "header" }>): DoorChange {
  const { path } = line.value;
  switch (line.key) {
    case "file":
      return { kind: "bytes", path, bytes: contentOf(line.value) };
    case "lfsFile":
      return { kind: "named", path, sha256: line.value.oid };
    case "deletedFile":
      return { kind: "remove", path };
    case "deletedFolder":
      return { kind: "removeFolder", path };
    default:
      return line satisfies never;
  }
}

function contentOf({ content, encoding }: { content: string; encoding: string }): Uint8Array {
  if (encoding !== "base64") return new TextEncoder().encode(content);
  try {
    return fromBase64Url(content);
  } catch {
    throw new FerryError("REQUEST_INVALID", { problem: "body: content is not base64" });
  }
}
