/**
 * What the scan can't vouch for itself: a listing that came back short makes garbage of all that it left out, and the scan's own canaries are
 * from the same listing. So some revisions that the logs name are looked up on their own, and every chunk of theirs must be one that the run keeps.
 */
import type { CollectRun } from "../../../shared/contract/collect.ts";
import type { RepositoryId } from "../../../shared/contract/repositories.ts";
import { FerryError } from "../../../shared/errors.ts";
import { epochMs } from "../../../shared/time.ts";
import { envelopeKey } from "../layout.ts";
import { catchUp, withWhole } from "../log.ts";
import { repositoryLog, systemLog } from "../logs.ts";
import { pooled, STORE_WIDTH } from "../pool.ts";
import type { Ports, RevisionEntry } from "../ports.ts";

/** Of as many repositories, at places that chance chooses; of each the newest that is older than the scan. */
const REPOSITORIES = 20;
const REVISIONS = 5;
const PAGE = 1000;

/** `isSafe`: whether the run keeps all chunks that this envelope names. Throws COLLECT_REFUSED. */
export async function checkWitnesses(ports: Ports, state: CollectRun, isSafe: (envelopeKey: string) => Promise<boolean>): Promise<void> {
  const repositories = await withWhole(systemLog(ports), () => ports.system.listRepositories({ limit: PAGE }));
  const [a = 0, b = 0] = ports.random.bytes(2);
  const start = ((a << 8) | b) % Math.max(1, repositories.length);
  const chosen = [...repositories.slice(start), ...repositories.slice(0, start)].slice(0, REPOSITORIES);
  await pooled(chosen, STORE_WIDTH, async ({ id }) => {
    const witness = await witnessOf(ports, state, id);
    if (witness === null || (await isSafe(envelopeKey(witness.manifest, witness.attempt)))) return;
    if (await isStillNamed(ports, id, witness))
      throw new FerryError("COLLECT_REFUSED", { problem: `revision ${witness.revision} was not seen by the scan` });
  });
}

async function witnessOf(ports: Ports, state: CollectRun, id: RepositoryId): Promise<RevisionEntry | null> {
  const before = (state.scanFromMs ?? 0) - ports.margins.skewMs;
  const newest = await withWhole(repositoryLog(ports, id), () => ports.repositories.listRevisions(id, { limit: REVISIONS }));
  return newest.find(({ time }) => epochMs(time) < before) ?? null;
}

/** An index that went back names what was purged. */
async function isStillNamed(ports: Ports, id: RepositoryId, { attempt }: RevisionEntry): Promise<boolean> {
  await catchUp(repositoryLog(ports, id));
  return (await ports.repositories.envelopeFate(id, attempt))?.state === "living";
}
