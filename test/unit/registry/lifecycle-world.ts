/** One repository's small world for tests of its life: pushes by name, codes of refusals, and a look at what the bucket holds. */
import assert from "node:assert/strict";
import {
  CHUNK_PREFIX,
  chunkKey,
  ENVELOPE_PREFIX,
  envelopeOfKey,
  repositoryLogPrefix,
  SYSTEM_LOG_PREFIX,
} from "../../../functions/registry/layout.ts";
import { listAll } from "../../../functions/registry/listing.ts";
import type { Ports } from "../../../functions/registry/ports.ts";
import { decodeRecord, Envelope } from "../../../functions/registry/records.ts";
import type { FerryClient } from "../../../shared/client.ts";
import type { RepositoryId } from "../../../shared/contract/repositories.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { RepositoryName, RevisionId } from "../../../shared/names.ts";
import { type MemoryApp, memoryApp, operationId, refName, repositoryName } from "../../support/memory-app.ts";
import type { MemoryStoresOptions } from "../../support/memory-bucket.ts";
import { type Files, Pusher, type PushOptions } from "../../support/pusher.ts";

export const MODEL = repositoryName("team/model");
export const COPY = repositoryName("team/copy");
export const MAIN = refName("main");
export const DAY_MS = 86_400_000;
export const NOWHERE = "0123456789".repeat(4) as RevisionId;

export type World = {
  app: MemoryApp;
  admin: FerryClient;
  pusher: Pusher;
  id: RepositoryId;
  push(files: Files, options?: PushOptions & { repository?: RepositoryName }): Promise<RevisionId>;
};

export async function makeWorld(options: MemoryStoresOptions & { decorate?: (ports: Ports) => Ports } = {}): Promise<World> {
  const app = await memoryApp(options);
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(MODEL);
  const { id } = await app.admin.call("describeRepository", { repository: MODEL });
  const push: World["push"] = async (files, { repository = MODEL, ...rest } = {}) => {
    app.clock.advance(1000);
    return (await pusher.push(repository, files, rest)).revision.revision;
  };
  return { app, admin: app.admin, pusher, id, push };
}

export async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "OK",
    (error: unknown) => (error instanceof FerryError ? error.code : String(error)),
  );
}

/** Keys of every log record: what "nothing changed" compares. */
export async function records({ app }: World): Promise<string[]> {
  const prefixes = [SYSTEM_LOG_PREFIX, "repositories/"];
  const listed = await Promise.all(prefixes.map((prefix) => listAll(app.stores.home.bucket, prefix)));
  return listed.flat().map(({ key }) => key);
}

export async function logLength({ app }: World, id: RepositoryId): Promise<number> {
  return (await listAll(app.stores.home.bucket, repositoryLogPrefix(id))).length;
}

/** Chunks that an envelope of a living or trashed revision names and the bucket lacks. */
export async function missingChunks({ app }: World): Promise<string[]> {
  const { bucket } = app.stores.home;
  const keys = new Set((await listAll(bucket, CHUNK_PREFIX)).map(({ key }) => key));
  const missing: string[] = [];
  for (const { key } of await listAll(bucket, ENVELOPE_PREFIX)) {
    const { repositoryId, placement } = decodeRecord(Envelope, (await bucket.get(key)) ?? new Uint8Array(), key);
    const fate = await app.ports.repositories.envelopeFate(repositoryId, envelopeOfKey(key).attempt);
    if (fate?.state !== "living") continue;
    missing.push(...placement.map(([sha256, , tag]) => chunkKey(sha256, tag)).filter((chunk) => !keys.has(chunk)));
  }
  return missing;
}

/** Reads a revision as a client does: manifest, and a download of each of its chunks. Throws when anything of it is missing. */
export async function readWhole({ app, admin }: World, repository: RepositoryName, ref: string): Promise<Files> {
  const { manifest } = await admin.call("manifest", { repository, params: { ref } });
  const files: Files = {};
  for (const file of manifest.files) {
    if (file.mode === "link" || file.chunk === undefined) continue;
    const batch = await admin.call("download", { repository, params: { ref }, body: { chunks: [file.chunk] } });
    const [item] = batch.items;
    const response = await app.stores.fetch(`${batch.base}${item?.path}?${batch.query}&X-Amz-Signature=${item?.signature}`);
    assert.equal(response.status, 200, `${repository} ${ref} ${file.path}`);
    files[file.path] = await response.text();
  }
  return files;
}

/** Runs collection to its end, with margins that find garbage at once. */
export async function collect({ app, admin }: World): Promise<{ deleted: number; garbage: number }> {
  app.clock.advance(1);
  let { run } = await admin.call("startCollect", { body: { dryRun: false, shareMax: 1 } });
  while (run !== null && run.phase !== "done" && run.phase !== "aborted") ({ run } = await admin.call("stepCollect", {}));
  assert.equal(run?.phase, "done", run?.problem ?? "");
  return { deleted: run.deleted, garbage: run.garbage };
}

/** Deletes revisions and purges them at once. */
export async function purgeNow({ admin }: World, revisions: RevisionId[], repository: RepositoryName = MODEL): Promise<void> {
  await admin.call("trashRevisions", { repository, body: { revisions, operationId: operationId() } });
  await admin.call("purgeRevisions", { repository, body: { revisions, now: true, operationId: operationId() } });
}

/** Short forms of calls that tests make often. */
export const calls = {
  tag: ({ admin }: World, tag: string, ref: string, more: { force?: boolean; expected?: RevisionId | null; expectedRef?: string } = {}) =>
    admin.call("setTag", { repository: MODEL, params: { tag }, body: { ref, operationId: operationId(), ...more } }),
  lock: ({ admin }: World, tag: string) =>
    admin.call("lockTag", { repository: MODEL, params: { tag }, body: { operationId: operationId() } }),
  trash: ({ admin }: World, revisions: RevisionId[]) =>
    admin.call("trashRevisions", { repository: MODEL, body: { revisions, operationId: operationId() } }),
  untrash: ({ admin }: World, revisions: RevisionId[]) =>
    admin.call("restoreRevisions", { repository: MODEL, body: { revisions, operationId: operationId() } }),
  purge: ({ admin }: World, revisions: RevisionId[], now = false) =>
    admin.call("purgeRevisions", { repository: MODEL, body: { revisions, now, operationId: operationId() } }),
  clone: ({ admin }: World, ref: string, repository: RepositoryName = COPY, branch = MAIN) =>
    admin.call("clone", { repository, body: { from: MODEL, ref, branch, operationId: operationId() } }),
  resolve: ({ admin }: World, ref: string, repository: RepositoryName = MODEL) => admin.call("resolve", { repository, params: { ref } }),
};
