/** Presigned URLs of chunks at their store. Those that are asked for within a moment go in one request. */
import type { FerryClient } from "../../shared/client.ts";
import { DOWNLOAD_PAGE_MAX } from "../../shared/contract/downloads.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { RepositoryName, RevisionId } from "../../shared/names.ts";
import { downloadUrl } from "../../shared/tickets.ts";
import type { Chunk } from "./filling.ts";

/** A chunk, and a revision of a repository that has it: through which it may be read. */
export type Wanted = Chunk & { repository: RepositoryName; revision: RevisionId };

type Asked = { sha256: Digest; give: (url: string) => void; fail: (error: unknown) => void };

const GATHER_MS = 3;

export class Origin {
  readonly #client: FerryClient;
  readonly #signal: AbortSignal;
  readonly #gathering = new Map<string, Asked[]>();

  constructor(client: FerryClient, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  /** A URL made now. Throws what the API answers. */
  url(wanted: Wanted): Promise<string> {
    const page = `${wanted.repository}@${wanted.revision}`;
    return new Promise((give, fail) => {
      const asked = { sha256: wanted.sha256, give, fail };
      const gathered = this.#gathering.get(page);
      if (gathered !== undefined && gathered.length < DOWNLOAD_PAGE_MAX) return gathered.push(asked);
      const fresh = [asked];
      this.#gathering.set(page, fresh);
      setTimeout(() => void this.#ask(page, wanted, fresh), GATHER_MS);
      return undefined;
    });
  }

  async #ask(page: string, { repository, revision }: Wanted, asked: Asked[]): Promise<void> {
    if (this.#gathering.get(page) === asked) this.#gathering.delete(page);
    try {
      const chunks = [...new Set(asked.map(({ sha256 }) => sha256))];
      const { near } = this.#client;
      const body = { chunks, ...(near === undefined ? {} : { near }) };
      const batch = await this.#client.call("download", { repository, params: { ref: revision }, body }, this.#signal);
      const urls = new Map(batch.items.map((item) => [item.sha256, downloadUrl(batch, item)]));
      for (const { sha256, give, fail } of asked) {
        const url = urls.get(sha256);
        if (url !== undefined) give(url);
        else fail(new FerryError("ANSWER_INVALID", { endpoint: this.#client.endpoint, problem: `no URL for chunk ${sha256}` }));
      }
    } catch (error) {
      for (const { fail } of asked) fail(error);
    }
  }
}
