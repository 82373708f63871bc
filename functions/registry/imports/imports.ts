/** Imports as jobs: asked for, looked at, ended. Who does them: lease.ts. */
import { IMPORTS_MAX, type Import, type ImportRequest, type StoredImport } from "../../../shared/contract/imports.ts";
import type { RepositorySummary } from "../../../shared/contract/repositories.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { OperationId } from "../../../shared/names.ts";
import { isoTime } from "../../../shared/time.ts";
import { tell } from "../events/feed.ts";
import { importsPrefix } from "../layout.ts";
import type { Caller, Ports } from "../ports.ts";
import { demandHome } from "../replicate/follow.ts";
import { drop, isOpen, keep, readOpen, readTold, tellProgress } from "./records.ts";

/** The same request is the same import, also when it is done. Throws REQUEST_INVALID when too many wait, FOLLOWER_READ_ONLY. */
export async function startImport(
  ports: Ports,
  caller: Pick<Caller, "name">,
  repository: RepositorySummary,
  { operationId: id, ...what }: ImportRequest,
): Promise<Import> {
  if (ports.follower) await demandHome(ports);
  const known = await listImports(ports, repository);
  const same = known.find((one) => one.id === id);
  if (same !== undefined) return same;
  if (known.filter(isLiving).length >= IMPORTS_MAX)
    throw new FerryError("REQUEST_INVALID", { problem: `${IMPORTS_MAX} imports into ${repository.repository} wait already` });
  const record: StoredImport = { ...what, id, by: caller.name, requestedAt: isoTime(ports.clock.now()) };
  await keep(ports, repository.id, record);
  const { from, branch, by } = record;
  await tell(ports, { type: "import.begun", id: `import-begun-${id}`, repositoryId: repository.id, about: { job: id, from, branch, by } });
  return asked(record);
}

/** Newest first. */
export async function listImports(ports: Ports, { id }: RepositorySummary): Promise<Import[]> {
  const open = await readOpen(ports, importsPrefix(id));
  const [told = new Map<OperationId, Import>()] = await readTold(ports, [id]);
  const living = open.map(({ record }) => progressOf(record, told.get(record.id)));
  const ids = new Set(living.map((one) => one.id));
  // One that is told to be under way and is not kept any more has ended, and nobody came to tell how.
  const over = [...told.values()].filter((one) => !ids.has(one.id) && !isLiving(one));
  return [...living, ...over].sort((a, b) => (a.requestedAt < b.requestedAt ? 1 : -1));
}

/** Its executor stops when it next asks; what it has committed by then stays. Throws IMPORT_UNKNOWN. */
export async function cancelImport(ports: Ports, repository: RepositorySummary, id: OperationId): Promise<void> {
  const known = (await listImports(ports, repository)).find((one) => one.id === id);
  if (known === undefined || !(await isOpen(ports, repository.id, id))) throw new FerryError("IMPORT_UNKNOWN", { id });
  await tellProgress(ports, repository.id, { ...known, state: "cancelled", againAt: null, changedAt: isoTime(ports.clock.now()) });
  await drop(ports, repository.id, id);
}

/** What is kept, with what is told of it; an ended one that is kept is being told of right now. */
export function progressOf(record: StoredImport, told: Import | undefined): Import {
  return told === undefined ? asked(record) : { ...told, ...record };
}

function asked(record: StoredImport): Import {
  const none = { executor: null, problem: null, revision: null, againAt: null };
  return { ...record, ...none, state: "waiting", failures: 0, files: 0, bytes: 0, changedAt: record.requestedAt };
}

function isLiving({ state }: Import): boolean {
  return state === "waiting" || state === "running" || state === "retrying";
}
