/**
 * The edge's executor: chunks stream from one store to another through the server, a few at once. Where both are at one endpoint, the store
 * copies by itself what was found right at the source: so whatever stands at the target's key is known to be right, whoever dies when.
 */
import { FerryError } from "../../../shared/errors.ts";
import type { StoreId } from "../../../shared/names.ts";
import { chunkKey } from "../layout.ts";
import { pooled, STORE_WIDTH } from "../pool.ts";
import type { Ports, WriteMode } from "../ports.ts";
import type { CopyItem, OpenTask } from "./tasks.ts";
import { failTask, finishTask, openTask, writeMode } from "./tasks.ts";

const LEASE_MS = 120_000;
const TRIES = 2;

export type Copied = { tasks: number; chunks: number; bytes: number; ready: number; problems: string[] };

/** Works off tasks of the stores that the edge reaches, until the time is up or nothing is left. A store that fails is left alone for now. */
export async function copySome(ports: Ports, deadlineMs: number): Promise<Copied> {
  const done: Copied = { tasks: 0, chunks: 0, bytes: 0, ready: 0, problems: [] };
  const open = new Set(edgeStores(ports));
  while (open.size > 0 && ports.clock.now() < deadlineMs) {
    for (const store of open) {
      const worked = await copyNext(ports, store, done).catch((error: unknown) => {
        done.problems.push(problemOf(store, error));
        return false;
      });
      if (!worked) open.delete(store);
      if (ports.clock.now() >= deadlineMs) break;
    }
  }
  return done;
}

/** Stores that are not home, and are not left to agents. */
function edgeStores({ stores }: Ports): StoreId[] {
  if (stores.home.profile.reach === "agent") return [];
  return stores.all().flatMap(({ profile }) => (profile.id === stores.home.profile.id || profile.reach === "agent" ? [] : [profile.id]));
}

/** False: there was nothing to do. */
async function copyNext(ports: Ports, store: StoreId, done: Copied): Promise<boolean> {
  const task = await openTask(ports, store, LEASE_MS);
  if (task === null) return false;
  let ready: boolean;
  try {
    await copyTask(task);
    ({ ready } = await finishTask(ports, task.held));
  } catch (error) {
    await failTask(ports, task.held, task.lease, error);
    throw error;
  }
  done.tasks++;
  done.chunks += task.items.length;
  done.bytes += task.items.reduce((sum, { size }) => sum + size, 0);
  if (ready) done.ready++;
  return true;
}

async function copyTask(task: OpenTask): Promise<void> {
  const mode = await writeMode(task.target);
  await pooled(task.items, STORE_WIDTH, (item) => copyChunk(task, mode, item));
}

/** A stream can't be sent again, so a try is both halves. */
async function copyChunk(task: OpenTask, mode: WriteMode, item: CopyItem): Promise<void> {
  for (let count = 1; ; count++) {
    try {
      return await copyOnce(task, mode, item);
    } catch (error) {
      if (count >= TRIES || !(error instanceof FerryError) || !error.retryable) throw error;
    }
  }
}

async function copyOnce(task: OpenTask, mode: WriteMode, item: CopyItem): Promise<void> {
  const { source, target } = task;
  const { sha256, size, from, to } = item;
  if (await isCopiedInside(task, item)) return;
  const body = await source.chunks.read({ sha256, tag: from, size });
  if (body === null) throw new FerryError("STORAGE_UNAVAILABLE", { store: source.profile.id, problem: `chunk ${sha256} is missing` });
  const place = { sha256, size, tag: to };
  const written = await target.chunks.write(mode, place, body);
  if (written === "refused") throw notWhatItIsCalled(source, sha256);
  if (mode === "unchecked" && !(await isRight(target, place))) {
    await target.bucket.delete([chunkKey(sha256, to)]);
    throw notWhatItIsCalled(target, sha256);
  }
}

function notWhatItIsCalled({ profile }: OpenTask["source"], sha256: CopyItem["sha256"]): FerryError {
  return new FerryError("DIGEST_INVALID", { what: `chunk ${sha256} of store ${profile.id}`, expected: sha256 });
}

async function isCopiedInside({ source, target }: OpenTask, { sha256, size, from, to }: CopyItem): Promise<boolean> {
  const copy = target.chunks.copierFrom(source.chunks);
  if (copy === null) return false;
  const content = await source.chunks.content({ sha256, tag: from });
  if (content === null) return false;
  if (content.sha256 !== sha256 || content.sizeBytes !== size) throw notWhatItIsCalled(source, sha256);
  return copy({ sha256, tag: from }, { sha256, size, tag: to });
}

/** Reads what a store has. */
async function isRight({ chunks }: OpenTask["target"], { sha256, size, tag }: { sha256: CopyItem["sha256"]; size: number; tag: string }) {
  const content = await chunks.content({ sha256, tag });
  return content !== null && content.sha256 === sha256 && content.sizeBytes === size;
}

export function problemOf(store: StoreId, error: unknown): string {
  return `${store}: ${error instanceof FerryError ? error.message : "it failed"}`;
}
