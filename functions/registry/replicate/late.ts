/** Tells of replicas that are missing for longer than a policy allows: once a day of each. Nothing waits for it, and nothing rests on it. */
import type { RepositorySummary } from "../../../shared/contract/repositories.ts";
import { toHex } from "../../../shared/digest.ts";
import type { StoreId } from "../../../shared/names.ts";
import { epochMs } from "../../../shared/time.ts";
import { repositoryLogKey } from "../layout.ts";
import { readRecord } from "../log.ts";
import { repositoryLog } from "../logs.ts";
import type { Ports } from "../ports.ts";
import { jobId } from "./plan.ts";
import { findEntry, type Want } from "./wanted.ts";

const DAY_MS = 86_400_000;

/** `problem`: why nobody can see what the store has; null: the replica is not there. */
export type Missing = { store: StoreId; want: Want; problem: string | null };

export async function tellLate(ports: Ports, repository: RepositorySummary, { store, want, problem }: Missing): Promise<void> {
  const nowMs = ports.clock.now();
  if (!want.allowances.some(({ lagSeconds, fromMs }) => nowMs - fromMs > lagSeconds * 1000)) return;
  const sinceMs = await lateSinceMs(ports, repository, want, nowMs);
  // A replica that was there before the store fell silent may well be there still.
  if (sinceMs === null || (problem !== null && nowMs - sinceMs > DAY_MS)) return;
  const job = await jobId(store, repository.id, want.revision);
  if ((await ports.leases.acquire(`late-${job}`, toHex(ports.random.bytes(8)), DAY_MS)) === null) return;
  const { revision } = want;
  const about = { store, revision, seconds: Math.floor((nowMs - sinceMs) / 1000), ...(problem === null ? {} : { problem }) };
  await ports.events.record({ type: "replica.lagging", repositoryId: repository.id, about });
}

/** Since when it has been wanted by the policy that it is late for; null: it is late for none, or gone. */
async function lateSinceMs(ports: Ports, repository: RepositorySummary, want: Want, nowMs: number): Promise<number | null> {
  const entry = await findEntry(ports, repository, want.revision);
  if (entry === null || entry.deletedAt !== null) return null;
  for (const { lagSeconds, fromMs, tagSeq } of want.allowances) {
    const isLate = (ms: number) => nowMs - ms > lagSeconds * 1000;
    const knownMs = Math.max(fromMs, epochMs(entry.time));
    if (!isLate(knownMs)) continue;
    const taggedMs =
      tagSeq === null ? 0 : epochMs((await readRecord(repositoryLog(ports, repository.id), repositoryLogKey(repository.id, tagSeq))).at);
    if (isLate(taggedMs)) return Math.max(knownMs, taggedMs);
  }
  return null;
}
