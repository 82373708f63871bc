/**
 * Append-only, hash-chained logs in the bucket, and the index that follows them.
 *
 * Writing `log/<seq>` create-only is the commit point of every act. Before that an act has (1) brought the index to the bucket's tail,
 * (2) looked for its own operation id in everything up to the tail, (3) compared what it expects. The next seq is taken from the scanned
 * tail, never from the index alone: otherwise a retried act lands twice (model-checked: test/models). A retry of any step is safe.
 *
 * An index that is older than the bucket is caught up here; one that is newer shows that the bucket lost records, and nothing goes on.
 */
import type { Json } from "../../shared/canonical.ts";
import { type Digest, sha256 } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { OperationId } from "../../shared/names.ts";
import { isoTime } from "../../shared/time.ts";
import { seqOfLogKey } from "./layout.ts";
import { pooled, STORE_WIDTH } from "./pool.ts";
import type { Bucket, Clock, FoundOperation, Hashed, ImmutableCache, LogHead, Ports } from "./ports.ts";
import { encodeRecord } from "./records.ts";

export type Linked = { v: 1; seq: number; prev: Digest | null; operationId: OperationId; at: string; actor: string };
/** What an act says; the log adds its place in the chain, who did it and when. */
export type Body<R> = R extends Linked ? Omit<R, keyof Linked> : never;

/** `sinceSeq`: a tail from before the operation began, when one is known; records after it are searched for the operation. */
export type Act = { operationId: OperationId; actor: string; sinceSeq?: number };

/** One log: where it is, how its records are read, and the index that follows it. */
export type Log<R extends Linked> = {
  name: string;
  clock: Clock;
  bucket: Bucket;
  cache: ImmutableCache;
  prefix: string;
  key(seq: number): string;
  decode(bytes: Uint8Array, key: string): R;
  /** Called before a record of this seq is written, and done by then; for logs whose recent ones must be found without looking at all. */
  mark?(seq: number): Promise<void>;
  /** Whether a record may be written here now; throws when not. */
  admit?(): Promise<void>;
  index: {
    head(): Promise<LogHead | null>;
    begin(tailSeq: number): Promise<LogHead>;
    apply(record: R, hash: Digest): Promise<void>;
    applyMany(records: readonly Hashed<R>[]): Promise<void>;
    findOperation(operationId: OperationId, atLeastSeq: number): Promise<FoundOperation>;
  };
  /** The ports with this log's index fenced: reads of it throw INDEX_REBUILDING when it is before `seq`. */
  fenced(seq: number): Ports;
};

/** How many newest operations an index remembers; older ones are looked for in the bucket. */
const OPERATIONS_REMEMBERED = 256;
/** Records that one request replays before it asks the caller to come again; progress is kept. */
const REPLAY_RECORDS_MAX = 2_000;
const APPEND_ATTEMPTS = 64;
/** Of records read, and then applied together. */
const BATCH = 60;
/** A mark speaks of records that are written at most this long after it. */
const MARK_MS_MAX = 120_000;

/** Brings the index to the bucket's tail and returns it. Throws INDEX_REBUILDING when more is left than one request may replay. */
export async function catchUp<R extends Linked>(log: Log<R>): Promise<LogHead> {
  const { head, newer } = await standing(log);
  // Far behind: from now on nobody is answered from what is there.
  if (newer.length > BATCH) await log.index.begin(head.seq + newer.length);
  const tail = await replay(log, head, newer.slice(0, REPLAY_RECORDS_MAX));
  if (newer.length > REPLAY_RECORDS_MAX) throw new FerryError("INDEX_REBUILDING", { retryAfterSeconds: 1 });
  return tail;
}

/** How many records the bucket has that the index has not. From now on nobody is answered before all of them are applied. */
export async function fence<R extends Linked>(log: Log<R>): Promise<number> {
  const { head, newer } = await standing(log);
  if (newer.length > 0) await log.index.begin(head.seq + newer.length);
  return newer.length;
}

/** How far the index is, a replay under way included (one is begun when there is no index), and the keys of what comes after that. */
async function standing<R extends Linked>(log: Log<R>): Promise<{ head: LogHead; newer: string[] }> {
  const head = await log.index.head();
  if (head !== null) return { head, newer: await newerKeys(log, head.seq) };
  const keys = await keysAfter(log, 0);
  const replayed = await log.index.begin(keys.length);
  return { head: replayed, newer: newerOf(log, replayed.seq, keys.slice(Math.max(0, replayed.seq - 1))) };
}

/** Runs a read of the index; when that finds the index incomplete, replays the log and reads once more. */
export async function withWhole<R extends Linked, T>(log: Log<R>, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof FerryError) || error.code !== "INDEX_REBUILDING") throw error;
    await catchUp(log);
    return read();
  }
}

/** A read that may find nothing: absence in the index is confirmed in the bucket before anybody hears of it. */
export async function findConfirmed<R extends Linked, T>(log: Log<R>, read: () => Promise<T | null>): Promise<T | null> {
  const found = await withWhole(log, read);
  if (found !== null) return found;
  await catchUp(log);
  return read();
}

/**
 * Appends the record that `prepare` makes for the next place in the log, once per operation id: a record of this operation that is
 * there already is returned as it is. `prepare` compares what the act expects, and throws when it does not hold. It reads by the ports
 * that it is given: they answer only from an index that is at the scanned tail, for an index may go back between two reads.
 */
export async function append<R extends Linked & Json>(log: Log<R>, act: Act, prepare: Prepare<R>): Promise<R> {
  for (let attempt = 0; attempt < APPEND_ATTEMPTS; attempt++) {
    const tail = await catchUp(log);
    await log.admit?.();
    const appended = await appendAt(log, act, prepare, tail).catch(unlessBehind);
    if (appended !== null) return appended;
  }
  throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: `the log of ${log.name} is too busy` });
}

export type Prepare<R> = (at: string, ports: Ports) => Promise<Body<R>>;

/** Null: the place after the tail was taken meanwhile. */
async function appendAt<R extends Linked & Json>(log: Log<R>, act: Act, prepare: Prepare<R>, tail: LogHead): Promise<R | null> {
  const own = await findOwn(log, act, tail.seq);
  if (own !== null) return own;
  const at = isoTime(log.clock.now());
  const link: Linked = { v: 1, seq: tail.seq + 1, prev: tail.hash, operationId: act.operationId, at, actor: act.actor };
  const record = { ...(await prepare(at, log.fenced(tail.seq))), ...link } as unknown as R;
  const markedAtMs = log.clock.now();
  await log.mark?.(record.seq);
  if (log.clock.now() - markedAtMs > MARK_MS_MAX) return null;
  const bytes = encodeRecord(record);
  if ((await log.bucket.create(log.key(record.seq), bytes)) === "exists") return null;
  await log.index.apply(record, await sha256(bytes));
  return record;
}

/** An index that went back is caught up with, and asked again. */
function unlessBehind(error: unknown): null {
  if (error instanceof FerryError && error.code === "INDEX_REBUILDING") return null;
  throw error;
}

/** The record that carries the act's operation, in an index that must be at `tailSeq` at least; null when it did not happen yet. */
export async function findOwn<R extends Linked>(log: Log<R>, act: Act, tailSeq: number): Promise<R | null> {
  const { seq, headSeq } = await log.index.findOperation(act.operationId, tailSeq);
  if (seq !== null) return readRecord(log, log.key(seq));
  // What the ring had forgotten when it was asked.
  const older: number[] = [];
  for (let at = (act.sinceSeq ?? headSeq) + 1; at <= headSeq - OPERATIONS_REMEMBERED; at++) older.push(at);
  const records = await pooled(older, STORE_WIDTH, (at) => readRecord(log, log.key(at)));
  return records.find((record) => record.operationId === act.operationId) ?? null;
}

export async function readRecord<R extends Linked>(log: Log<R>, key: string): Promise<R> {
  return (await readHashed(log, key)).record;
}

/** What is sound before damage is applied. Of a batch the next is read while it is applied. */
async function replay<R extends Linked>(log: Log<R>, start: LogHead, keys: readonly string[]): Promise<LogHead> {
  let head = start;
  let applied = Promise.resolve();
  for (let at = 0; at < keys.length; at += BATCH) {
    const read = pooled(keys.slice(at, at + BATCH), STORE_WIDTH, (key) => readHashed(log, key));
    const [records] = await Promise.all([read, applied]);
    const { sound, damage } = followers(log, head, records);
    applied = log.index.applyMany(sound);
    const last = sound.at(-1);
    if (last !== undefined) head = { seq: last.record.seq, hash: last.hash };
    if (damage === null) continue;
    await applied;
    throw damage;
  }
  await applied;
  return head;
}

/** The first of `records` that follow `head` one after another. */
function followers<R extends Linked>(log: Log<R>, head: LogHead, records: readonly Hashed<R>[]) {
  let { seq, hash } = head;
  for (const [at, { record, hash: ownHash }] of records.entries()) {
    const problem =
      record.seq !== seq + 1
        ? `record ${seq + 1} is missing`
        : record.prev !== hash
          ? `record ${record.seq} does not follow record ${seq}`
          : null;
    if (problem !== null) return { sound: records.slice(0, at), damage: damaged(log, problem) };
    [seq, hash] = [record.seq, ownHash];
  }
  return { sound: records, damage: null };
}

async function readHashed<R extends Linked>(log: Log<R>, key: string): Promise<Hashed<R>> {
  const cached = log.cache.get<Hashed<R>>(key);
  if (cached !== undefined) return cached;
  const bytes = await log.bucket.get(key);
  if (bytes === null) throw damaged(log, `${key} is missing`);
  const record = log.decode(bytes, key);
  if (record.seq !== seqOfLogKey(key)) throw damaged(log, `${key} holds record ${record.seq}`);
  const entry = { record, hash: await sha256(bytes) };
  log.cache.set(key, entry, bytes.length);
  return entry;
}

async function newerKeys<R extends Linked>(log: Log<R>, seq: number): Promise<string[]> {
  return newerOf(log, seq, await keysAfter(log, Math.max(0, seq - 1)));
}

/**
 * Of `keys`, which begin with that of record `seq`, what an index at `seq` has not applied. Throws LOG_DAMAGED when the bucket does not
 * have that record itself: it lost records, and others in their place would hide that.
 */
function newerOf<R extends Linked>(log: Log<R>, seq: number, keys: readonly string[]): string[] {
  if (seq === 0) return [...keys];
  const [own, ...newer] = keys;
  if (own === log.key(seq)) return newer;
  throw damaged(log, `record ${seq} was there, and is missing`);
}

async function keysAfter<R extends Linked>(log: Log<R>, seq: number): Promise<string[]> {
  const keys: string[] = [];
  let after = log.key(seq);
  for (let more = true; more; ) {
    const page = await log.bucket.list(log.prefix, { after, limit: 1000 });
    keys.push(...page.objects.map((object) => object.key));
    more = page.more;
    after = keys.at(-1) ?? after;
  }
  return keys;
}

function damaged<R extends Linked>(log: Log<R>, problem: string): FerryError {
  return new FerryError("LOG_DAMAGED", { repository: log.name, problem });
}
