/** Parity: does a replica store really have every chunk that a marker promises? What it has not is no replica, and is copied again. */
import type { VerifyAnswer } from "../../../shared/contract/replication.ts";
import type { RepositorySummary } from "../../../shared/contract/repositories.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { StoreId } from "../../../shared/names.ts";
import { readEnvelope } from "../envelopes.ts";
import { readyOfKey, readyPrefix } from "../layout.ts";
import type { Ports } from "../ports.ts";
import { atStore } from "./at-store.ts";
import { type Ready, unmarkReady } from "./ready.ts";
import { findEntry } from "./wanted.ts";

/** Chunks that one request looks at. */
const CHUNKS_MAX = 1_500;
const CURSOR = /^([0-9a-f.]{70,}):(\d{1,7})$/;

type Cursor = { name: string; offset: number };

/** Looks at some chunks of the replica that comes next, in the order of the log. */
export async function verifyReplica(
  ports: Ports,
  repository: RepositorySummary,
  { store, after }: { store: StoreId; after?: string | undefined },
): Promise<VerifyAnswer> {
  const cursor = cursorOf(after);
  const { bucket } = ports.stores.get(store);
  const prefix = readyPrefix(repository.id);
  const { objects, more } = await bucket.list(prefix, { limit: 2, ...(cursor === null ? {} : { after: prefix + placeOf(cursor) }) });
  const [first, second] = objects;
  const ready = first === undefined ? null : readyOfKey(first.key);
  if (first === undefined || ready === null) return { revision: null, chunks: 0, missing: 0, next: null };
  const name = first.key.slice(prefix.length);
  const offset = cursor?.name === name ? cursor.offset : 0;
  const { total, looked, missing } = await look(ports, repository, { store, ready, offset });
  if (missing > 0) await unmarkReady(bucket, repository.id, [ready]);
  const isWithin = missing === 0 && offset + looked < total;
  const isLast = second === undefined && !more;
  const next = isWithin ? `${name}:${offset + looked}` : isLast ? null : `${name}:0`;
  return { revision: ready.revision, chunks: looked, missing, next };
}

function cursorOf(after: string | undefined): Cursor | null {
  if (after === undefined) return null;
  const [, name, digits] = CURSOR.exec(after) ?? [];
  if (name === undefined) throw new FerryError("REQUEST_INVALID", { problem: "after: not a cursor of this list" });
  return { name, offset: Number(digits) };
}

/** Where a listing goes on: behind a replica that is done, or right before one that is not. */
function placeOf({ name, offset }: Cursor): string {
  return offset > 0 ? name.slice(0, -1) : name;
}

type At = { store: StoreId; ready: Ready; offset: number };

async function look(ports: Ports, repository: RepositorySummary, { store, ready, offset }: At) {
  const view = atStore(ports, store);
  const entry = await findEntry(ports, repository, ready.revision);
  const envelope = entry === null ? null : await readEnvelope(view, entry.manifest, ready.copy).catch(() => null);
  // Nobody can read it: that is as good as missing.
  if (envelope === null) return { total: 1, looked: 1, missing: 1 };
  const places = [...envelope.places].slice(offset, offset + CHUNKS_MAX).map(([sha256, place]) => ({ sha256, ...place }));
  const lengths = await view.stores.home.chunks.lengths(places);
  const missing = places.filter(({ size }, at) => lengths[at] !== size);
  if (missing.length > 0) await view.chunks.remove(missing);
  return { total: envelope.places.size, looked: places.length, missing: missing.length };
}
