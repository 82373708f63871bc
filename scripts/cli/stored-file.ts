/** Reads bytes of files that are stored, by presigned GETs of whole chunks, each verified and kept; within a budget. */
import type { ByteSource } from "../../shared/chunking/source.ts";
import type { FerryClient } from "../../shared/client.ts";
import { type Digest, sha256 } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { RepositoryName } from "../../shared/names.ts";
import { downloadUrl } from "../../shared/tickets.ts";
import type { Host } from "./host.ts";
import type { Pieces } from "./tensor-diff.ts";

const TIMEOUT_MS = 30_000;

/** Of whom the chunks are asked. */
export type Holder = { repository: RepositoryName; revision: string };

export class ChunkReader {
  readonly #host: Host;
  readonly #client: FerryClient;
  readonly #chunks = new Map<Digest, Uint8Array>();
  #budgetBytes: number;

  constructor(host: Host, client: FerryClient, budgetBytes: number) {
    this.#host = host;
    this.#client = client;
    this.#budgetBytes = budgetBytes;
  }

  has(chunk: Digest): Uint8Array | undefined {
    return this.#chunks.get(chunk);
  }

  /** Throws BudgetSpent, TRANSFER_FAILED, DIGEST_INVALID, and what the registry refuses. */
  async get(holder: Holder, chunk: Digest, sizeBytes: number): Promise<Uint8Array> {
    const kept = this.#chunks.get(chunk);
    if (kept !== undefined) return kept;
    if (sizeBytes > this.#budgetBytes) throw new BudgetSpent();
    this.#budgetBytes -= sizeBytes;
    const { repository, revision } = holder;
    const batch = await this.#client.call("download", { repository, params: { ref: revision }, body: { chunks: [chunk] } });
    const [item] = batch.items;
    if (item === undefined) throw new FerryError("CHUNK_UNKNOWN", { revision, chunk });
    const bytes = await this.#fetch(downloadUrl(batch, item), chunk, sizeBytes);
    if ((await sha256(bytes)) !== chunk) throw new FerryError("DIGEST_INVALID", { what: "a chunk", expected: chunk });
    this.#chunks.set(chunk, bytes);
    return bytes;
  }

  /** What fetch says may hold the URL, which is signed: only its kind is told. */
  async #fetch(url: string, chunk: Digest, sizeBytes: number): Promise<Uint8Array> {
    const failed = (problem: string) => new FerryError("TRANSFER_FAILED", { what: `chunk ${chunk}`, problem });
    const signal = AbortSignal.any([this.#host.signal, AbortSignal.timeout(TIMEOUT_MS)]);
    try {
      // One byte more than there may be shows that there is more.
      const response = await this.#host.fetch(url, { redirect: "manual", signal, headers: { range: `bytes=0-${sizeBytes}` } });
      if (response.ok) return new Uint8Array(await response.arrayBuffer());
      await response.body?.cancel();
      throw failed(`status ${response.status}`);
    } catch (error) {
      if (error instanceof FerryError || this.#host.signal.aborted) throw error;
      throw failed(error instanceof Error ? error.name : "no answer");
    }
  }
}

/** More would have to be fetched than is worth it. */
export class BudgetSpent extends Error {}

/** A file as a source: each chunk that is touched is fetched whole. */
export function storedFile(reader: ChunkReader, holder: Holder, pieces: Pieces): ByteSource {
  const sizes = new Map(pieces.layout.chunks);
  return {
    sizeBytes: pieces.layout.size,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      let at = 0;
      for (const piece of pieces.in(offset, length)) {
        const chunk = await reader.get(holder, piece.chunk, sizes.get(piece.chunk) ?? 0);
        bytes.set(chunk.subarray(piece.offset, piece.offset + piece.length), at);
        at += piece.length;
      }
      return bytes.subarray(0, at);
    },
  };
}

/** Bytes of a file whose chunks were all fetched before; null when one was not. */
export function keptBytes(reader: ChunkReader, pieces: Pieces, offset: number, length: number): Uint8Array | null {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces.in(offset, length)) {
    const chunk = reader.has(piece.chunk);
    if (chunk === undefined) return null;
    bytes.set(chunk.subarray(piece.offset, piece.offset + piece.length), at);
    at += piece.length;
  }
  return bytes;
}
