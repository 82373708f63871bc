/** Brings one stored file to the reader's disk: every chunk verified, then written to its places. */
import type { Digest } from "../../../../shared/digest.ts";
import { FerryError } from "../../../../shared/errors.ts";
import { pool } from "../../../../shared/transfer/crew.ts";
import { GiB } from "../../../../shared/units.ts";
import type { StoredChunks } from "./chunks.ts";
import type { Extent, Layout } from "./layout.ts";

/** Chunks in memory at once, each at most 68 MiB. */
const CHUNKS_AT_ONCE = 3;
/** What a browser without access to files holds for the reader. */
export const HELD_BYTES_MAX = 2 * GiB;

/** Where the file goes. `end`: all of it is there. */
export type Sink = { write(position: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>; end(): Promise<void>; drop(): Promise<void> };

/** Throws TRANSFER_FAILED, DIGEST_INVALID; then nothing is left of it. */
export async function saveFile(
  chunks: StoredChunks,
  layout: Layout,
  sink: Sink,
  { signal, onBytes }: { signal: AbortSignal; onBytes: (bytes: number) => void },
): Promise<void> {
  const places = Map.groupBy(layout.extents, ({ chunk }) => chunk);
  try {
    await pool(places, { width: CHUNKS_AT_ONCE, signal }, async ([chunk, extents], stop) => {
      await saveChunk(chunks, { chunk, sizeBytes: layout.chunks.get(chunk) ?? 0, extents }, sink, stop);
      onBytes(extents.reduce((sum, { length }) => sum + length, 0));
    });
    await sink.end();
  } catch (error) {
    await sink.drop().catch(() => {});
    throw error;
  }
}

type Placed = { chunk: Digest; sizeBytes: number; extents: readonly Extent[] };

async function saveChunk(chunks: StoredChunks, { chunk, sizeBytes, extents }: Placed, sink: Sink, signal: AbortSignal): Promise<void> {
  const bytes = await chunks.whole(chunk, sizeBytes, signal);
  for (const { fileOffset, chunkOffset, length } of extents)
    await sink.write(fileOffset, bytes.subarray(chunkOffset, chunkOffset + length));
}

type FileHandle = {
  createWritable(): Promise<{
    write(what: { type: "write"; position: number; data: Uint8Array }): Promise<void>;
    close(): Promise<void>;
    abort(): Promise<void>;
  }>;
};
type Picker = (options: { suggestedName: string }) => Promise<FileHandle>;

/** Asks where to put it when the browser can write files, else hands it over as a download. Null: the reader thought better of it. */
export async function chooseSink(name: string, sizeBytes: number): Promise<Sink | null> {
  const pick = (globalThis as { showSaveFilePicker?: Picker }).showSaveFilePicker;
  if (pick === undefined || sizeBytes < 64 * 1024 * 1024) return heldSink(name, sizeBytes);
  try {
    return await fileSink(await pick({ suggestedName: name }));
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return null;
    throw error;
  }
}

async function fileSink(handle: FileHandle): Promise<Sink> {
  const writable = await handle.createWritable();
  return {
    write: (position, data) => writable.write({ type: "write", position, data }),
    end: () => writable.close(),
    drop: () => writable.abort(),
  };
}

/** The parts as blobs, which the browser may keep on its disk. */
function heldSink(name: string, sizeBytes: number): Sink {
  if (sizeBytes > HELD_BYTES_MAX) {
    throw new FerryError("TRANSFER_REFUSED", { what: name, problem: "this browser can't write files of this size; use `ferry pull`" });
  }
  const parts: { position: number; blob: Blob }[] = [];
  return {
    async write(position, bytes) {
      parts.push({ position, blob: new Blob([bytes]) });
    },
    async end() {
      parts.sort((a, b) => a.position - b.position);
      handOver(name, new Blob(parts.map(({ blob }) => blob)));
    },
    async drop() {
      parts.length = 0;
    },
  };
}

const REVOKE_MS = 60_000;

function handOver(name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), REVOKE_MS);
}
