/**
 * Which envelopes are roots. An envelope is dead only on the bucket's own word: the record that purged its revision, the record that ended
 * its repository, or the lack of any record that names it in all the time in which one could have been written. The index is enough to
 * keep an envelope, never to drop one. A revision that was mended has another envelope, and its old one is dead by the record that says so.
 */
import type { RepositoryId } from "../../../shared/contract/repositories.ts";
import { FerryError } from "../../../shared/errors.ts";
import { epochMs } from "../../../shared/time.ts";
import { type EnvelopeName, repositoryLogKey } from "../layout.ts";
import { catchUp, type Log, readRecord } from "../log.ts";
import { repositoryLog } from "../logs.ts";
import type { EnvelopeFate, Ports } from "../ports.ts";
import type { RepositoryRecord } from "../records.ts";

export type Suspect = EnvelopeName & { repositoryId: RepositoryId; modifiedAtMs: number };

/** A record that names an envelope is written at most this long before or after its envelope's last write: one day, 10 minutes, and clocks that differ. */
const BEFORE_MS = 26 * 3_600_000;
const AFTER_MS = 30 * 60_000;

/** `named`: a living record names it. `pending`: a writer may be about to commit it; what it names may have been refused to him already. */
export type Verdict = "named" | "pending" | "dead";

/** `youngerThanMs`: written after this, by the store's clock, an envelope is pending unless it is named. */
export async function judge(ports: Ports, suspect: Suspect, youngerThanMs: number): Promise<Verdict> {
  const log = repositoryLog(ports, suspect.repositoryId);
  const fate = await fateOf(ports, log, suspect);
  if (fate?.state === "living") return "named";
  if (fate?.state === "purged") return (await isPurged(log, suspect, fate)) ? "dead" : "named";
  if (fate?.state === "ended") return (await isEnded(log, fate.seq)) ? "dead" : "named";
  if (suspect.modifiedAtMs > youngerThanMs) return "pending";
  await demandUnnamed(log, suspect);
  return "dead";
}

async function fateOf(ports: Ports, log: Log<RepositoryRecord>, suspect: Suspect): Promise<EnvelopeFate | null> {
  const ask = () => ports.repositories.envelopeFate(suspect.repositoryId, suspect.attempt);
  const known = await ask().catch((error: unknown) => {
    if (error instanceof FerryError && error.code === "INDEX_REBUILDING") return null;
    throw error;
  });
  if (known !== null) return known;
  await catchUp(log);
  return ask();
}

async function isPurged(log: Log<RepositoryRecord>, suspect: Suspect, fate: { commitSeq: number; purgeSeq: number }): Promise<boolean> {
  const naming = await readRecord(log, log.key(fate.commitSeq));
  const ending = await readRecord(log, log.key(fate.purgeSeq));
  if (!isNaming(naming, suspect) || ending.seq <= naming.seq) return false;
  if (ending.op === "adopt") return ending.revision === naming.revision && ending.attempt !== suspect.attempt;
  return ending.op === "purge" && ending.revisions.includes(naming.revision);
}

type NamingRecord = Extract<RepositoryRecord, { op: "commit" | "adopt" }>;

function isNaming(record: RepositoryRecord, { manifest, attempt }: Suspect): record is NamingRecord {
  return (record.op === "commit" || record.op === "adopt") && record.manifest === manifest && record.attempt === attempt;
}

async function isEnded(log: Log<RepositoryRecord>, seq: number): Promise<boolean> {
  return (await readRecord(log, log.key(seq))).op === "end";
}

/**
 * Throws INDEX_REBUILDING when a record in the bucket names an envelope that the index does not know. Only records of the time around
 * its last write can: those are found by halving, and read.
 */
async function demandUnnamed(log: Log<RepositoryRecord>, suspect: Suspect): Promise<void> {
  const tail = (await catchUp(log)).seq;
  const timeOf = async (seq: number) => epochMs((await readRecord(log, log.key(seq))).at);
  const first = await firstSeq(tail, async (seq) => (await timeOf(seq)) >= suspect.modifiedAtMs - BEFORE_MS);
  for (let seq = first; seq <= tail; seq++) {
    const record = await readRecord(log, log.key(seq));
    if (epochMs(record.at) > suspect.modifiedAtMs + AFTER_MS) return;
    if (isNaming(record, suspect)) {
      throw new FerryError("INDEX_REBUILDING", { problem: `${repositoryLogKey(suspect.repositoryId, seq)} is not in the index` });
    }
  }
}

/** The first seq from 1 to `tail` for which `isLate` holds, else `tail + 1`; it holds for all after the first. */
async function firstSeq(tail: number, isLate: (seq: number) => Promise<boolean>): Promise<number> {
  let low = 1;
  let high = tail + 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (await isLate(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
