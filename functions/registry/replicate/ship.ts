/**
 * Copies of logs in a replica store, byte for byte, so that another deployment can read them there, and take over. Records are written in
 * order, each batch's last one after the others: what is there up to that one is whole.
 */
import type { RepositoryId } from "../../../shared/contract/repositories.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { StoreId } from "../../../shared/names.ts";
import { repositoryLogKey, systemLogKey } from "../layout.ts";
import { pooled, STORE_WIDTH } from "../pool.ts";
import type { Bucket, Ports } from "../ports.ts";

const BATCH = 24;

type Way = { store: StoreId; from: Bucket; to: Bucket; key: (seq: number) => string };

/** How many records were copied of the system log and the log of one repository. */
export async function shipLogs(ports: Ports, store: StoreId, repository: RepositoryId | null, deadlineMs: number): Promise<number> {
  const system = await ports.system.head();
  const head = repository === null ? null : await ports.repositories.head(repository);
  const way = { store, from: ports.stores.home.bucket, to: ports.stores.get(store).bucket };
  let count = 0;
  // The repository's first: a name without its log is worse than a log without its name.
  if (repository !== null && head !== null)
    count += await ship(ports, { ...way, key: (seq) => repositoryLogKey(repository, seq) }, head.seq, deadlineMs);
  if (system !== null) count += await ship(ports, { ...way, key: systemLogKey }, system.seq, deadlineMs);
  return count;
}

async function ship(ports: Ports, way: Way, tailSeq: number, deadlineMs: number): Promise<number> {
  let copied = await copiedSeq(way, tailSeq);
  if (copied === tailSeq) return 0;
  const first = copied;
  // What a writer that died has left of its last batch.
  let from = Math.max(1, copied - BATCH);
  while (copied < tailSeq && ports.clock.now() < deadlineMs) {
    const last = Math.min(tailSeq, from + 2 * BATCH - 1);
    await shipBatch(way, from, last);
    copied = last;
    from = last + 1;
  }
  return copied - first;
}

async function shipBatch(way: Way, from: number, last: number): Promise<void> {
  const seqs = Array.from({ length: last - from }, (_, at) => from + at);
  await pooled(seqs, STORE_WIDTH, (seq) => shipRecord(way, seq));
  await shipRecord(way, last);
}

async function shipRecord({ store, from, to, key }: Way, seq: number): Promise<void> {
  const bytes = await from.get(key(seq));
  if (bytes === null) throw new FerryError("LOG_DAMAGED", { repository: key(seq), problem: "it is missing" });
  if ((await to.create(key(seq), bytes)) === "created") return;
  const there = await to.get(key(seq));
  if (there === null || isSame(there, bytes)) return;
  throw new FerryError("LOG_DAMAGED", { repository: key(seq), problem: `store ${store} has another record there: it was promoted` });
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** The last record that the store has, of those that follow one another. */
async function copiedSeq({ to, key }: Way, tailSeq: number): Promise<number> {
  const has = async (seq: number) => (await to.head(key(seq))) !== null;
  if (tailSeq === 0 || (await has(tailSeq))) return tailSeq;
  let [low, high] = [0, tailSeq];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (await has(middle)) low = middle;
    else high = middle;
  }
  return low;
}
