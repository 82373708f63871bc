/**
 * What changes files. Everything is laid over a branch's head and waits there for the commit: a PUT of `name[/ref]/.commit`, whose body is
 * the message. An answer of 200 says: these bytes are on this door's disk and stay there, through a crash, until they are committed, thrown
 * away, or untouched for as long as the door keeps what is pending. Only the answer to the commit says that the registry has them.
 */
import { COMMIT_PATH, demandPath, type KeyPlace, parseTarget } from "../../functions/doors/s3/address.ts";
import { S3Refusal } from "../../functions/doors/s3/refusals.ts";
import { FerryError } from "../../shared/errors.ts";
import { type RefName, type RepositoryName, RevisionId } from "../../shared/names.ts";
import { sizeOfBody, takeBody, takeText } from "./s3-body.ts";
import { empty, header, type S3Call, xml } from "./s3-call.ts";
import type { Committed } from "./s3-commit.ts";
import type { PendingBranch } from "./s3-pending.ts";
import { commitEtag, matches, noSuchKey } from "./s3-read.ts";
import { append } from "./s3-spool.ts";
import { type Branch, branchName, etagOf, filesOf, findFile, type S3File } from "./s3-view.ts";
import { element, elements, parseDelete } from "./s3-xml.ts";

const MESSAGE_MAX = 4000;
const DELETE_MAX = 1000;

export type Place = KeyPlace & { repository: RepositoryName };

/** Where a key is to be written, if the caller may. Throws S3Refusal. */
export async function placeToWrite(call: S3Call): Promise<Place> {
  const place = await call.view.place(call.target);
  if (place === null) throw new S3Refusal("InvalidArgument", "a key is name/path or name/ref/path, of a repository of this namespace");
  await call.view.demandPush(place.repository);
  branchName(place.ref);
  if (place.path !== COMMIT_PATH) demandPath(place.path);
  return place;
}

export async function putObject(call: S3Call): Promise<void> {
  if (call.target.key.endsWith("/")) return putFolder(call);
  const place = await placeToWrite(call);
  if (place.path === COMMIT_PATH) return putCommit(call, place);
  const sizeBytes = sizeOfBody(call);
  const branch = await call.view.branch(place.repository, place.ref);
  checkConditions(call, findFile(branch, place.path));
  await demandQuota(call, branch, place.path, sizeBytes);
  const { spool, pending, nowMs, counts } = call.parts;
  spool.take(sizeBytes);
  let isKept = false;
  const file = await spool.begin();
  try {
    const taken = await takeBody(call, { sha256: true, md5: false }, (bytes) => append(file, bytes));
    if (taken.sha256 === null) throw new Error("the body was not hashed");
    const change = {
      kind: "put" as const,
      path: place.path,
      object: spool.newName(),
      size: sizeBytes,
      sha256: taken.sha256,
      atMs: nowMs(),
    };
    await pending.open(place.repository, branchName(place.ref), nowMs()).put(file, change);
    isKept = true;
    counts.takenBytes += sizeBytes;
    empty(call, 200, { etag: etagOf(change), ...taken.checksums });
  } finally {
    if (!isKept) {
      await spool.drop(file);
      spool.give(sizeBytes);
    }
  }
}

/** Consoles make folders so. There are none here: files make them. */
async function putFolder(call: S3Call): Promise<void> {
  if (sizeOfBody(call) > 0) throw new S3Refusal("InvalidArgument", "a key that ends with / has no content");
  await takeText(call);
  const place = await call.view.place(call.target);
  if (place === null) throw new S3Refusal("InvalidArgument", "a key is name/path or name/ref/path");
  await call.view.demandPush(place.repository);
  empty(call, 200, { etag: '"d41d8cd98f00b204e9800998ecf8427e"' });
}

async function putCommit(call: S3Call, place: Place): Promise<void> {
  const message = await takeText(call);
  if (message.length > MESSAGE_MAX) throw new S3Refusal("InvalidArgument", `a message has at most ${MESSAGE_MAX} characters`);
  const { revision } = await commitBranch(call, { repository: place.repository, branch: branchName(place.ref), message });
  empty(call, 200, { etag: commitEtag(message), "x-ferry-revision": revision.revision });
}

/** When nothing is pending the head is the answer. Throws S3Refusal, and what a push throws. */
export async function commitBranch(
  { parts, view }: Pick<S3Call, "parts" | "view">,
  { repository, branch: name, message }: { repository: RepositoryName; branch: RefName; message: string },
): Promise<Committed> {
  const isThere = (await view.snapshot(repository, name)) !== null;
  const branch = parts.pending.find(repository, name);
  if (!isThere && (branch?.changes.size ?? 0) === 0)
    throw new S3Refusal("InvalidRequest", "nothing was uploaded to the branch that could be committed");
  const committed = await parts.commits.commit(branch ?? parts.pending.open(repository, name, parts.nowMs()), view.client, message);
  view.forget(repository);
  parts.counts.commits++;
  return committed;
}

export function checkConditions(call: S3Call, file: S3File | null): void {
  const [ifMatch, ifNone] = [header(call, "if-match"), header(call, "if-none-match")];
  if (ifMatch !== undefined && file === null) throw noSuchKey();
  const isBroken =
    (ifMatch !== undefined && file !== null && !matches(ifMatch, etagOf(file))) ||
    (ifNone !== undefined && file !== null && matches(ifNone, etagOf(file)));
  if (isBroken) throw new S3Refusal("PreconditionFailed", "At least one of the pre-conditions you specified did not hold");
}

/** What the commit would be refused for is refused before anything is stored. Throws QUOTA_EXCEEDED. */
export async function demandQuota(call: S3Call, branch: Branch, path: string, sizeBytes: number): Promise<void> {
  if (branch.snapshot === null) return;
  const { repository } = branch;
  const { settings, usage } = await call.view.described(repository);
  const limit = settings.quota?.logicalBytes ?? null;
  if (limit === null) return;
  const others = filesOf(branch).reduce((sum, file) => sum + (file.path === path ? 0 : file.size), 0);
  const would = usage.logicalBytes + others + sizeBytes;
  if (would > limit) throw new FerryError("QUOTA_EXCEEDED", { repository, limit, what: "bytes", would });
}

export async function deleteObject(call: S3Call): Promise<void> {
  const place = await placeToWrite(call);
  await remove(call, place);
  empty(call, 204);
}

async function remove(call: S3Call, place: Place): Promise<void> {
  const { pending, nowMs } = call.parts;
  const branch = await call.view.branch(place.repository, place.ref);
  const isThere = (branch.snapshot?.find(place.path) ?? null) !== null;
  const known = pending.find(place.repository, branchName(place.ref));
  if (!isThere && known === null) return;
  await pending.open(place.repository, branchName(place.ref), nowMs()).remove(place.path, isThere, nowMs());
}

export async function deleteObjects(call: S3Call): Promise<void> {
  const { keys, isQuiet } = parseDelete(await takeText(call));
  if (keys.length === 0 || keys.length > DELETE_MAX) throw new S3Refusal("MalformedXML", `1 to ${DELETE_MAX} keys can be removed at once`);
  const answers = [];
  for (const key of keys) {
    try {
      const one = { ...call, target: { ...call.target, key } };
      await remove(one, await placeToWrite(one));
      if (!isQuiet) answers.push(element("Deleted", elements({ Key: key })));
    } catch (error) {
      if (!(error instanceof S3Refusal)) throw error;
      answers.push(element("Error", elements({ Key: key, Code: error.code, Message: error.message })));
    }
  }
  xml(call, "DeleteResult", answers);
}

/** The file that `x-amz-copy-source` names, as the caller sees it. Throws S3Refusal. */
export async function copySource(call: S3Call): Promise<{ file: S3File; branch: Branch }> {
  const [said = ""] = (header(call, "x-amz-copy-source") ?? "").split("?");
  const place = await call.view.place(parseTarget(said.startsWith("/") ? said : `/${said}`));
  if (place === null) throw noSuchKey();
  const branch = await call.view.branch(place.repository, place.ref);
  const file = findFile(branch, place.path);
  if (file === null) throw noSuchKey();
  const [ifMatch, ifNone] = [header(call, "x-amz-copy-source-if-match"), header(call, "x-amz-copy-source-if-none-match")];
  if ((ifMatch !== undefined && !matches(ifMatch, etagOf(file))) || (ifNone !== undefined && matches(ifNone, etagOf(file))))
    throw new S3Refusal("PreconditionFailed", "At least one of the pre-conditions you specified did not hold");
  return { file, branch };
}

/** No byte is read: the new file names the chunks of the old one. */
export async function copyObject(call: S3Call): Promise<void> {
  const place = await placeToWrite(call);
  if (place.path === COMMIT_PATH) throw new S3Refusal("InvalidArgument", "a commit is put, not copied");
  const { file, branch: from } = await copySource(call);
  const to = await call.view.branch(place.repository, place.ref);
  await demandQuota(call, to, place.path, file.size);
  const isItself = from.repository === place.repository && from.ref === to.ref && file.path === place.path;
  if (!isItself) await copy(call, file, from, place);
  xml(call, "CopyObjectResult", elements({ LastModified: new Date(call.parts.nowMs()).toISOString(), ETag: etagOf(file) }));
}

async function copy(call: S3Call, file: S3File, from: Branch, place: Place): Promise<void> {
  const { pending, nowMs, spool } = call.parts;
  const target = () => pending.open(place.repository, branchName(place.ref), nowMs());
  const { size, sha256, change, snapshot } = file;
  const made = { path: place.path, size, sha256, atMs: nowMs() };
  if (change?.kind === "copy") return target().copy({ kind: "copy", ...made, from: change.from });
  if (snapshot !== null) {
    const revision = RevisionId.parse(snapshot.revision.id);
    return target().copy({ kind: "copy", ...made, from: { repository: from.repository, revision, path: file.path } });
  }
  if (change?.kind !== "put" || from.pending === null) throw noSuchKey();
  spool.take(size);
  try {
    await target().link(from.pending.objectPath(change), { kind: "put", ...made, object: spool.newName() });
  } catch (error) {
    spool.give(size);
    throw error;
  }
}

export function pendingOf(branch: PendingBranch): object {
  const changes = [...branch.changes.values()];
  return {
    repository: branch.repository,
    branch: branch.branch,
    files: changes.filter(({ kind }) => kind !== "remove").length,
    removed: changes.filter(({ kind }) => kind === "remove").length,
    bytes: changes.reduce((sum, change) => sum + (change.kind === "remove" ? 0 : change.size), 0),
    changedAt: new Date(branch.changedAtMs).toISOString(),
  };
}
