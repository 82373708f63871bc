/** Labels and metrics of a revision, after it was made. */
import type { LabelRequest } from "../../shared/contract/lifecycle.ts";
import { Labels, Metrics, type RepositorySummary, type RevisionSummary } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import { actOnce } from "./acts.ts";
import { demandLiving, knownRevision, livingState, namedRevision } from "./living.ts";
import type { Body } from "./log.ts";
import { repositoryLog } from "./logs.ts";
import type { Caller, Ports } from "./ports.ts";
import type { RepositoryRecord } from "./records.ts";
import { summaryOf } from "./revisions.ts";

type Words = Readonly<Record<string, string>>;
type Changes = Readonly<Record<string, string | null>>;

/** Merging happens at the log's tail: of two callers that set one key each, neither loses his. Throws REQUEST_INVALID on too many. */
export async function setLabels(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  ref: string,
  request: LabelRequest,
): Promise<RevisionSummary> {
  const act = { operationId: request.operationId, actor: caller.name };
  const record = await actOnce(
    repositoryLog(ports, repository.id),
    act,
    { op: "label" },
    async (_, ports): Promise<Body<RepositoryRecord>> => {
      const entry = await namedRevision(ports, repository, await livingState(ports, repository), ref);
      const { revision, labels, metrics } = demandLiving(entry);
      return {
        op: "label",
        repositoryId: repository.id,
        revision,
        labels: parsed(Labels.safeParse(changed(labels, request.labels, request.merge))),
        metrics: parsed(Metrics.safeParse(changed(metrics, request.metrics, request.merge))),
      };
    },
  );
  const entry = await knownRevision(ports, repository, record.revision);
  return summaryOf({ ...entry, labels: record.labels, metrics: record.metrics, modifiedBy: record.actor, modifiedAt: record.at });
}

function changed(old: Words, changes: Changes | undefined, merge: boolean): Words {
  if (changes === undefined) return old;
  const words = new Map<string, string>(merge ? Object.entries(old) : []);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) words.delete(key);
    else words.set(key, value);
  }
  return Object.fromEntries(words);
}

function parsed<T>(result: { success: true; data: T } | { success: false; error: { issues: readonly { message: string }[] } }): T {
  if (result.success) return result.data;
  throw new FerryError("REQUEST_INVALID", { problem: `labels: ${result.error.issues[0]?.message ?? "not valid"}` });
}
