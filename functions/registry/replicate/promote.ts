/**
 * A replica becomes home. Every envelope that a marker names gets its name from the log as well, so that from then on the store is read as
 * any home is; then one record says so. Where the old home's bucket is reachable the same record goes there, too: its deployment reads it
 * with the next minute and writes no more. What it acknowledged and never replicated is told, not hidden.
 */
import type { PromoteAnswer } from "../../../shared/contract/replication.ts";
import type { RepositorySummary } from "../../../shared/contract/repositories.ts";
import { FerryError } from "../../../shared/errors.ts";
import { type OperationId, RefName, type RevisionId } from "../../../shared/names.ts";
import { actOnce } from "../acts.ts";
import { envelopeKey, systemLogKey } from "../layout.ts";
import { catchUp, withWhole } from "../log.ts";
import { repositoryLog, systemLog } from "../logs.ts";
import type { Caller, Ports, RevisionEntry } from "../ports.ts";
import { encodeRecord, type SystemRecord } from "../records.ts";
import { listReady } from "./ready.ts";

const PAGE = 100;
const LOST_MAX = 500;
const STEP_MS = 15_000;

/** Throws REQUEST_INVALID where nothing is to be promoted. With `dryRun` it only tells what would be lost: for a home nothing. */
export async function promote(
  ports: Ports,
  caller: Caller,
  { operationId, dryRun }: { operationId: OperationId; dryRun: boolean },
): Promise<PromoteAnswer> {
  const store = ports.stores.home.profile.id;
  if (!ports.follower && dryRun) return { store, epoch: null, ready: 0, lost: [], more: false };
  if (!ports.follower) throw new FerryError("REQUEST_INVALID", { problem: "promote: this deployment is no follower (FOLLOWER=1)" });
  await catchUp(systemLog(ports));
  const found = await adoptAll(ports, dryRun);
  if (dryRun || found.more) return { store, epoch: null, ...found };
  const record = await actOnce(
    { ...systemLog(ports), admit: async () => {} },
    { operationId, actor: caller.name },
    { op: "promote" },
    async (_, ports) => {
      const { home } = await ports.system.standing();
      return { op: "promote" as const, store, epoch: (home?.epoch ?? 0) + 1 };
    },
  );
  await fenceOthers(ports, record);
  return { store, epoch: record.epoch, ...found };
}

type Found = Pick<PromoteAnswer, "ready" | "lost" | "more">;

async function adoptAll(ports: Ports, dryRun: boolean): Promise<Found> {
  const found: Found = { ready: 0, lost: [], more: false };
  const deadlineMs = ports.clock.now() + STEP_MS;
  let after: string | undefined;
  for (;;) {
    const page = await withWhole(systemLog(ports), () => ports.system.listRepositories({ after, limit: PAGE }));
    for (const repository of page) {
      await adoptRepository(ports, repository, found, dryRun);
      after = repository.repository;
      // What was adopted is found adopted, so the next request gets further.
      if (ports.clock.now() >= deadlineMs) return { ...found, more: true };
    }
    if (page.length < PAGE) return found;
  }
}

async function adoptRepository(ports: Ports, repository: RepositorySummary, found: Found, dryRun: boolean): Promise<void> {
  const log = repositoryLog(ports, repository.id);
  await catchUp(log);
  const markers = await listReady(ports.stores.home.bucket, repository.id);
  const { branches, tags } = await withWhole(log, () => ports.repositories.refs(repository.id));
  const refs = new Map<RevisionId, RefName[]>();
  for (const [name, revision] of [...Object.entries(branches), ...Object.entries(tags)])
    refs.set(revision, [...(refs.get(revision) ?? []), RefName.parse(name)]);
  for await (const entry of revisionsOf(ports, repository)) {
    const copy = markers.get(entry.revision)?.copy;
    if (copy !== undefined) {
      found.ready++;
      if (!dryRun) await adopt(ports, entry, copy);
    } else if (found.lost.length < LOST_MAX)
      found.lost.push({ repository: repository.repository, revision: entry.revision, refs: refs.get(entry.revision) ?? [] });
  }
}

async function adopt(ports: Ports, { manifest, attempt }: RevisionEntry, copy: string): Promise<void> {
  const { bucket } = ports.stores.home;
  if ((await bucket.head(envelopeKey(manifest, attempt))) !== null) return;
  const bytes = await bucket.get(envelopeKey(manifest, copy));
  if (bytes === null) throw new FerryError("LOG_DAMAGED", { repository: envelopeKey(manifest, copy), problem: "it is missing" });
  await bucket.create(envelopeKey(manifest, attempt), bytes);
}

async function* revisionsOf(ports: Ports, { id }: RepositorySummary): AsyncGenerator<RevisionEntry> {
  for (let before: number | undefined; ; ) {
    const page = await withWhole(repositoryLog(ports, id), () => ports.repositories.listRevisions(id, { before, limit: 1000 }));
    yield* page.filter(({ deletedAt }) => deletedAt === null);
    if (page.length < 1000) return;
    before = page.at(-1)?.seq;
  }
}

/** Where the old home has gone on meanwhile its log has another record there: its deployment then has to be stopped by hand. */
async function fenceOthers(ports: Ports, record: Extract<SystemRecord, { op: "promote" }>): Promise<void> {
  for (const { profile, bucket } of ports.stores.all()) {
    if (profile.id === record.store) continue;
    await bucket.create(systemLogKey(record.seq), encodeRecord(record)).catch(() => "exists");
  }
}
