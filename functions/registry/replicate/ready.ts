/**
 * The present set: markers in the replica store's own bucket, one object each, that name the envelope which says where the chunks are. A
 * marker is written last and removed first. Nothing else tells that a store has a revision, so nothing can tell it wrongly.
 */
import { RepositoryId } from "../../../shared/contract/repositories.ts";
import type { RevisionId } from "../../../shared/names.ts";
import { READY_PREFIX, readyKey, readyOfKey, readyPrefix, readyRevisionPrefix } from "../layout.ts";
import { pagesOf } from "../listing.ts";
import type { Bucket } from "../ports.ts";

/** `copy`: attempt in the name of the envelope. */
export type Ready = { seq: number; revision: RevisionId; copy: string };
type Wanted = { seq: number; revision: RevisionId };

/** In the order of the log. Of a revision that was made ready twice, either serves. */
export async function listReady(bucket: Bucket, id: RepositoryId): Promise<Map<RevisionId, Ready>> {
  return new Map((await listMarkers(bucket, id)).map((ready) => [ready.revision, ready]));
}

/** Every marker. */
export async function listMarkers(bucket: Bucket, id: RepositoryId): Promise<Ready[]> {
  const markers: Ready[] = [];
  for await (const page of pagesOf(bucket, readyPrefix(id))) {
    for (const { key } of page) {
      const ready = readyOfKey(key);
      if (ready !== null) markers.push(ready);
    }
  }
  return markers;
}

/** Repositories with any marker: one listing of one key for each. */
export async function* idsWithMarkers(bucket: Bucket): AsyncGenerator<RepositoryId> {
  for (let after = READY_PREFIX; ; ) {
    const { objects } = await bucket.list(READY_PREFIX, { after, limit: 1 });
    const id = RepositoryId.safeParse(objects[0]?.key.slice(READY_PREFIX.length).split("/")[0]);
    if (!id.success) return;
    yield id.data;
    // '~' comes after all that names of markers are made of.
    after = `${readyPrefix(id.data)}~`;
  }
}

/** One listing of one key: cheap enough to be asked for every page of downloads. */
export async function findReady(bucket: Bucket, id: RepositoryId, wanted: Wanted): Promise<Ready | null> {
  const { objects } = await bucket.list(readyRevisionPrefix(id, wanted), { limit: 1 });
  return objects[0] === undefined ? null : readyOfKey(objects[0].key);
}

/** Throws what the bucket throws; doing it twice does no harm. */
export async function markReady(bucket: Bucket, id: RepositoryId, ready: Ready): Promise<void> {
  await bucket.put(readyKey(id, ready), new Uint8Array());
}

/** All markers of these revisions. Envelopes and chunks go by themselves later: collection of that store finds that nobody names them. */
export async function unmarkReady(bucket: Bucket, id: RepositoryId, revisions: readonly Wanted[]): Promise<void> {
  for (const wanted of revisions) {
    const { objects } = await bucket.list(readyRevisionPrefix(id, wanted));
    await bucket.delete(objects.map(({ key }) => key));
  }
}
