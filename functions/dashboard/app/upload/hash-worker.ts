/** The hashing worker: cuts files into chunks and hashes them, off the page's thread. It holds one chunk (at most 68 MiB) of each file. */
import type { PlannedChunk } from "../../../../shared/chunking/group.ts";
import { planChunks } from "../../../../shared/chunking/plan.ts";
import { recipeOf } from "../../../../shared/chunking/recipe-of.ts";
import { type Digest, sha256 } from "../../../../shared/digest.ts";
import { problemOf } from "../../../../shared/errors.ts";
import { blobOf } from "./blob.ts";
import type { FromWorker, ToWorker } from "./messages.ts";
import { Sha256 } from "./sha256.ts";

const WINDOW_BYTES = 4 * 1024 * 1024;

/** Files that are being hashed: what goes on when the page is ready, and whether to stop. */
type Running = { stopped: boolean; proceed: () => void };
const running = new Map<number, Running>();

addEventListener("message", ({ data }: MessageEvent<ToWorker>) => {
  if ("file" in data) void hash(data.id, data.file);
  const file = running.get(data.id);
  if (file === undefined || "file" in data) return;
  if ("stop" in data) file.stopped = true;
  file.proceed();
});

function tell(message: FromWorker): void {
  postMessage(message);
}

async function hash(id: number, file: File): Promise<void> {
  const state: Running = { stopped: false, proceed: () => {} };
  running.set(id, state);
  try {
    tell({ id, done: await scan(id, file, state) });
  } catch (error) {
    // Reading a file that was changed or removed since it was chosen throws one of these.
    const changed = error instanceof DOMException && (error.name === "NotReadableError" || error.name === "NotFoundError");
    tell({ id, failed: { changed, problem: problemOf(error) } });
  } finally {
    running.delete(id);
  }
}

async function scan(id: number, file: File, state: Running) {
  const plan = await planChunks({ sizeBytes: file.size, read: (offset, length) => bytesOf(file.slice(offset, offset + length)) });
  const isWhole = plan.chunks.length === 1 && plan.chunks[0]?.ranges.length === 1;
  const [digests, whole] = await Promise.all([hashChunks(id, file, plan.chunks, state), isWhole ? null : hashWhole(file, state)]);
  const digest = (whole ?? digests[0] ?? (await sha256(""))) as Digest;
  // A chunk that is the whole file needs no recipe: its digest is the file's.
  const isOne = plan.chunks.length === 0 || (plan.chunks.length === 1 && digests[0] === digest);
  return { sha256: digest, recipe: isOne ? null : recipeOf(plan, digests, digest) };
}

async function hashChunks(id: number, file: File, chunks: readonly PlannedChunk[], state: Running): Promise<Digest[]> {
  const digests: Digest[] = [];
  for (const { ranges, sizeBytes } of chunks) {
    check(state);
    const digest = await sha256(await bytesOf(blobOf(file, ranges)));
    digests.push(digest);
    const ready = new Promise<void>((resolve) => {
      state.proceed = resolve;
    });
    tell({ id, chunk: { sha256: digest, size: sizeBytes, ranges } });
    await ready;
  }
  return digests;
}

async function hashWhole(file: File, state: Running): Promise<string> {
  const hasher = new Sha256();
  for (let at = 0; at < file.size; at += WINDOW_BYTES) {
    check(state);
    hasher.update(await bytesOf(file.slice(at, at + WINDOW_BYTES)));
  }
  return hasher.digest();
}

function check({ stopped }: Running): void {
  if (stopped) throw new DOMException("stopped", "AbortError");
}

async function bytesOf(blob: Blob): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await blob.arrayBuffer());
}
