/**
 * Imports that are not done: objects in the home bucket, so that they outlive the index. How far each is stands on a board of the index, and
 * what is lost with it is told anew, but for the history of those that are done.
 *
 *   imports:<repository>   import's id → its progress; of ended ones also what it was
 */
import type * as z from "zod";
import { Import, StoredImport } from "../../../shared/contract/imports.ts";
import { RepositoryId } from "../../../shared/contract/repositories.ts";
import type { OperationId } from "../../../shared/names.ts";
import { IMPORT_PREFIX, importKey } from "../layout.ts";
import { listAll } from "../listing.ts";
import { pooled, STORE_WIDTH } from "../pool.ts";
import type { Ports } from "../ports.ts";

export type Open = { repositoryId: RepositoryId; record: StoredImport };

const HISTORY_SECONDS = 31 * 86_400;
/** Of one repository: older ones that are over are forgotten. */
const HISTORY_MAX = 200;

/** Of imports that are not over. */
const LIVING: ReadonlySet<string> = new Set(["waiting", "running", "retrying"]);

/** Oldest first. @param prefix of all, or of one repository's */
export async function readOpen(ports: Ports, prefix = IMPORT_PREFIX): Promise<Open[]> {
  const { bucket } = ports.stores.home;
  const found = await pooled(await listAll(bucket, prefix), STORE_WIDTH, async ({ key }): Promise<Open[]> => {
    const repositoryId = RepositoryId.safeParse(key.split("/")[1]);
    const known = ports.cache.get<StoredImport>(key);
    const bytes = known === undefined ? await bucket.get(key) : null;
    const record = known ?? (bytes === null ? null : parsed(StoredImport, new TextDecoder().decode(bytes)));
    if (record === null || !repositoryId.success) return [];
    if (bytes !== null) ports.cache.set(key, record, 2 * bytes.length);
    return [{ repositoryId: repositoryId.data, record }];
  });
  return found.flat().sort((a, b) => (a.record.requestedAt < b.record.requestedAt ? -1 : 1));
}

/** What is said of a repository's imports, by id. */
export async function readTold(ports: Ports, ids: readonly RepositoryId[]): Promise<Map<OperationId, Import>[]> {
  const boards = ids.length === 0 ? [] : await ports.boards.read(ids.map(boardOf));
  return boards.map((texts) => {
    const told = [...texts.values()].flatMap((text) => parsed(Import, text) ?? []);
    return new Map(told.map((one) => [one.id, one]));
  });
}

export function tellProgress(ports: Ports, id: RepositoryId, told: Import): Promise<void> {
  return ports.boards.write(boardOf(id), { [told.id]: JSON.stringify(told) }, HISTORY_SECONDS);
}

export function keep(ports: Ports, id: RepositoryId, record: StoredImport): Promise<unknown> {
  return ports.stores.home.bucket.create(importKey(id, record.id), new TextEncoder().encode(JSON.stringify(record)));
}

export async function isOpen(ports: Ports, id: RepositoryId, operationId: OperationId): Promise<boolean> {
  return (await ports.stores.home.bucket.head(importKey(id, operationId))) !== null;
}

export function drop(ports: Ports, id: RepositoryId, operationId: OperationId): Promise<unknown> {
  return ports.stores.home.bucket.delete([importKey(id, operationId)]);
}

/** Forgets the oldest of those that are over. */
export async function trimTold(ports: Ports, id: RepositoryId): Promise<void> {
  const [told = new Map()] = await readTold(ports, [id]);
  const over = [...told.values()].filter(({ state }) => !LIVING.has(state)).sort((a, b) => (a.changedAt < b.changedAt ? 1 : -1));
  if (over.length <= HISTORY_MAX) return;
  await ports.boards.wipe(
    boardOf(id),
    over.slice(HISTORY_MAX).map((one) => one.id),
  );
}

function boardOf(id: RepositoryId): string {
  return `imports:${id}`;
}

function parsed<S extends z.ZodType>(schema: S, text: string): z.infer<S> | null {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
