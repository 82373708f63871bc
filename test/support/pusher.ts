/** A minimal pusher for tests of the protocol: files of one chunk each, straight through the API, with every step visible. */
import { createHash } from "node:crypto";
import type { FerryClient } from "../../shared/client.ts";
import type { RevisionSummary } from "../../shared/contract/repositories.ts";
import type { Reservation } from "../../shared/contract/uploads.ts";
import { Digest } from "../../shared/digest.ts";
import type { FileEntry } from "../../shared/manifest.ts";
import type { OperationId, RefName, RepositoryName, RevisionId } from "../../shared/names.ts";
import { ticketRequest } from "../../shared/tickets.ts";
import { operationId, refName } from "./memory-app.ts";

export type Files = Record<string, string>;
type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

export function digestOf(text: string): Digest {
  return Digest.parse(createHash("sha256").update(text).digest("hex"));
}

export function entriesOf(files: Files): FileEntry[] {
  return Object.entries(files).map(([path, text]) => {
    const sha256 = digestOf(text);
    const size = Buffer.byteLength(text);
    return { path, mode: "file", size, sha256, ...(size === 0 ? {} : { chunk: sha256 }) };
  });
}

export type PushOptions = {
  branch?: RefName;
  attempt?: number;
  operationId?: OperationId;
  /** The head to build on; left out: the head when the upload opens. */
  parent?: RevisionId | null;
  message?: string;
};

/** One push in the open: what was reserved, sent and committed. */
export class Pusher {
  readonly client: FerryClient;
  readonly #fetch: Fetch;

  constructor(client: FerryClient, fetch: Fetch) {
    this.client = client;
    this.#fetch = fetch;
  }

  async create(repository: RepositoryName): Promise<void> {
    await this.client.call("createRepository", { body: { repository, operationId: operationId() } });
  }

  open(repository: RepositoryName, branch: RefName = refName("main")) {
    return this.client.call("openUpload", { repository, body: { branch, operationId: operationId() } });
  }

  reserve(repository: RepositoryName, upload: string, files: Files, attempt = 1): Promise<Reservation> {
    const chunks = entriesOf(files).flatMap((file) =>
      file.mode === "link" || file.size === 0 ? [] : [{ sha256: file.sha256, size: file.size }],
    );
    return this.client.call("reserve", { repository, params: { upload }, body: { attempt, chunks } });
  }

  /** PUTs every ticket's chunk; the statuses in order. */
  async send({ tickets }: Reservation, files: Files): Promise<number[]> {
    const texts = new Map(Object.values(files).map((text) => [digestOf(text), text]));
    const statuses: number[] = [];
    for (const item of tickets?.items ?? []) {
      const { method, url, headers } = ticketRequest(tickets as NonNullable<typeof tickets>, item);
      const response = await this.#fetch(url, { method, headers, body: texts.get(item.sha256) ?? "" });
      statuses.push(response.status);
    }
    return statuses;
  }

  async confirm(repository: RepositoryName, upload: string, { tickets }: Reservation, attempt = 1): Promise<Digest[]> {
    const chunks = (tickets?.items ?? []).map(({ sha256, size }) => ({ sha256, size }));
    if (chunks.length === 0) return [];
    return (await this.client.call("confirm", { repository, params: { upload }, body: { attempt, chunks } })).missing;
  }

  commit(
    repository: RepositoryName,
    upload: string,
    files: Files,
    options: PushOptions & { parent: RevisionId | null },
  ): Promise<RevisionSummary> {
    const { parent, message = "", attempt = 1 } = options;
    const body = { operationId: options.operationId ?? operationId(), attempt, parent, message, files: entriesOf(files) };
    return this.client.call("commit", { repository, params: { upload }, body });
  }

  /** The whole way; `sent` counts the chunks that had to be PUT. */
  async push(repository: RepositoryName, files: Files, options: PushOptions = {}): Promise<{ revision: RevisionSummary; sent: number }> {
    const { upload, parent } = await this.open(repository, options.branch);
    const reservation = await this.reserve(repository, upload, files, options.attempt);
    const statuses = await this.send(reservation, files);
    await this.confirm(repository, upload, reservation, options.attempt);
    const revision = await this.commit(repository, upload, files, {
      ...options,
      parent: options.parent === undefined ? parent : options.parent,
    });
    return { revision, sent: statuses.length };
  }
}
