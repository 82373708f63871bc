/** Reserves chunks of one upload page by page: for each, whether the store has it already, or a ticket to send it. */
import type { FerryClient } from "../client.ts";
import { type ChunkClaim, RESERVE_PAGE_MAX, type TicketBatch, type Upload } from "../contract/uploads.ts";
import type { Digest } from "../digest.ts";
import { FerryError } from "../errors.ts";
import type { RepositoryName } from "../names.ts";
import { ticketRequest } from "../tickets.ts";
import { Pages } from "./pages.ts";
import type { LocalChunk, Machine, SendTask } from "./ports.ts";

/** Short, because a small push waits for it; long enough for the chunks of many small files to gather. */
const LINGER_MS = 10;
const PAGES_AT_ONCE = 4;
/** A ticket older than this share of its life is not used: the request still has to reach the store. */
const FRESH_SHARE = 0.8;

export type Ticket = { request: SendTask["request"]; freshUntilMs: number };

type Setting = { client: FerryClient; repository: RepositoryName; upload: Upload; machine: Machine; signal: AbortSignal };

export class Tickets {
  readonly #setting: Setting;
  readonly #pages = new Map<number, Pages<LocalChunk, Ticket | null>>();

  constructor(setting: Setting) {
    this.#setting = setting;
  }

  /** Null when the store has the chunk, and this upload may use it. */
  reserve(chunk: LocalChunk, attempt: number): Promise<Ticket | null> {
    let pages = this.#pages.get(attempt);
    if (pages === undefined) {
      pages = new Pages({
        pageMax: Math.min(RESERVE_PAGE_MAX, this.#setting.upload.reservePageMax),
        lingerMs: LINGER_MS,
        width: PAGES_AT_ONCE,
        machine: this.#setting.machine,
        signal: this.#setting.signal,
        ask: (chunks) => this.#ask(chunks, attempt),
      });
      this.#pages.set(attempt, pages);
    }
    return pages.ask(chunk);
  }

  async #ask(chunks: LocalChunk[], attempt: number): Promise<(Ticket | null)[]> {
    const { client, repository, upload, machine, signal } = this.#setting;
    const askedAtMs = machine.nowMs();
    const reservation = await client.call(
      "reserve",
      { repository, params: { upload: upload.upload }, body: { attempt, chunks: chunks.map(claim) } },
      signal,
    );
    const have = new Set(reservation.have);
    const tickets = ticketsOf(reservation.tickets, askedAtMs);
    return chunks.map((chunk) => {
      if (have.has(chunk.sha256)) return null;
      const ticket = tickets.get(chunk.sha256);
      if (ticket !== undefined) return ticket;
      throw new FerryError("ANSWER_INVALID", { endpoint: client.endpoint, problem: `no ticket for chunk ${chunk.sha256}` });
    });
  }
}

function claim({ sha256, size, md5 }: LocalChunk): ChunkClaim {
  return md5 === undefined ? { sha256, size } : { sha256, size, md5 };
}

function ticketsOf(batch: TicketBatch | null, askedAtMs: number): Map<Digest, Ticket> {
  if (batch === null) return new Map();
  const freshUntilMs = askedAtMs + batch.expiresInSeconds * 1000 * FRESH_SHARE;
  return new Map(batch.items.map((item) => [item.sha256, { request: ticketRequest(batch, item), freshUntilMs }]));
}
