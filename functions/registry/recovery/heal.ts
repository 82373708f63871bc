/** Comparing logs' indexes with the bucket, and catching up what is behind. */
import type { RepositoryId } from "../../../shared/contract/repositories.ts";
import { FerryError } from "../../../shared/errors.ts";
import { epochMs } from "../../../shared/time.ts";
import { catchUp, fence, type Linked, type Log, readRecord } from "../log.ts";
import { repositoryLog } from "../logs.ts";
import { pooled, STORE_WIDTH } from "../pool.ts";
import type { LogHead, Ports } from "../ports.ts";

/** `oldestMs`: time of the oldest record that the index lacked; null when it lacked none. `left`: the time was up before all were whole. */
export type Healed = { checked: number; logs: number; records: number; oldestMs: number | null; damaged: string[]; left: boolean };

export const NOTHING_HEALED: Healed = { checked: 0, logs: 0, records: 0, oldestMs: null, damaged: [], left: false };

/**
 * @param tails of each log, a seq that the bucket has, or may have. First it is made sure that nobody is answered from any index that is
 * behind; then all are caught up. One log's damage is noted, and does not keep the others from it.
 */
export async function healLogs(ports: Ports, tails: ReadonlyMap<RepositoryId, number>, deadlineMs: number): Promise<Healed> {
  const ids = [...tails.keys()];
  const heads = await ports.repositories.heads(ids);
  const doubtful = ids.flatMap((id, at): Doubt[] => {
    const head = heads[at] ?? null;
    return head !== null && head.seq >= (tails.get(id) ?? 0) ? [] : [{ log: repositoryLog(ports, id), head }];
  });
  const healed = await healDoubtful(ports, doubtful, deadlineMs);
  return { ...healed, checked: ids.length };
}

/** The same for one log, whatever its tail. */
export async function healLog<R extends Linked>(ports: Ports, log: Log<R>, deadlineMs: number): Promise<Healed> {
  const healed = await healDoubtful(ports, [{ log, head: await log.index.head() }], deadlineMs);
  return { ...healed, checked: 1 };
}

export function sumOf(a: Healed, b: Healed): Healed {
  const times = [a.oldestMs, b.oldestMs].filter((time) => time !== null);
  return {
    checked: a.checked + b.checked,
    logs: a.logs + b.logs,
    records: a.records + b.records,
    oldestMs: times.length === 0 ? null : Math.min(...times),
    damaged: [...a.damaged, ...b.damaged],
    left: a.left || b.left,
  };
}

type Doubt<R extends Linked = Linked> = { log: Log<R>; head: LogHead | null };

async function healDoubtful<R extends Linked>(ports: Ports, doubtful: readonly Doubt<R>[], deadlineMs: number): Promise<Healed> {
  const fenced = await pooled(doubtful, STORE_WIDTH, (doubt) => settled(doubt, () => fenceIn(doubt)));
  const behind = fenced.flatMap(({ value }) => (value === null ? [] : [value]));
  const caught = await pooled(behind, STORE_WIDTH, (doubt) => settled(doubt, () => heal(ports, doubt, deadlineMs)));
  const damaged = [...fenced, ...caught].flatMap(({ damage }) => (damage === null ? [] : [damage]));
  return caught.reduce((sum, { value }) => (value === null ? sum : sumOf(sum, value)), { ...NOTHING_HEALED, damaged });
}

/** Null: it is not behind. From an index that is not whole nobody is answered anyway. */
async function fenceIn<R extends Linked>(doubt: Doubt<R>): Promise<Doubt<R> | null> {
  return doubt.head === null || (await fence(doubt.log)) > 0 ? doubt : null;
}

async function heal<R extends Linked>(ports: Ports, { log, head }: Doubt<R>, deadlineMs: number): Promise<Healed> {
  const from = head?.seq ?? 0;
  for (;;) {
    try {
      const tail = await catchUp(log);
      const records = tail.seq - from;
      const oldestMs = records > 0 ? epochMs((await readRecord(log, log.key(from + 1))).at) : null;
      return { ...NOTHING_HEALED, logs: Math.min(records, 1), records, oldestMs };
    } catch (error) {
      if (!(error instanceof FerryError) || error.code !== "INDEX_REBUILDING") throw error;
      if (ports.clock.now() >= deadlineMs) return { ...NOTHING_HEALED, left: true };
    }
  }
}

/** What `work` gives, or the damage of its log that it met. */
async function settled<T>({ log }: Doubt, work: () => Promise<T | null>): Promise<{ value: T | null; damage: string | null }> {
  try {
    return { value: await work(), damage: null };
  } catch (error) {
    if (!(error instanceof FerryError) || error.code !== "LOG_DAMAGED") throw error;
    return { value: null, damage: `${log.name}: ${error.message}` };
  }
}
