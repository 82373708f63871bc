/** One rank of a training job, for tests of the protocol: it joins a session, sends its files, seals its part, asks for the commit. */
import type { FerryClient } from "../../shared/client.ts";
import { type JoinedSession, SessionName } from "../../shared/contract/parts.ts";
import type { RevisionSummary } from "../../shared/contract/repositories.ts";
import type { RefName, RepositoryName, RevisionId } from "../../shared/names.ts";
import { operationId, refName } from "./memory-app.ts";
import { entriesOf, type Files, Pusher } from "./pusher.ts";

type Fetch = (url: string, init?: RequestInit) => Promise<Response>;
export type Place = { repository: RepositoryName; session: string; part: number; parts: number; branch?: RefName };

export class Rank {
  readonly pusher: Pusher;
  readonly #place: Place;

  constructor(client: FerryClient, fetch: Fetch, place: Place) {
    this.pusher = new Pusher(client, fetch);
    this.#place = place;
  }

  get client(): FerryClient {
    return this.pusher.client;
  }

  join(): Promise<JoinedSession> {
    const { repository, session, parts, branch = refName("main") } = this.#place;
    const body = { session: SessionName.parse(session), branch, parts, operationId: operationId() };
    return this.client.call("joinSession", { repository, body });
  }

  /** Brings the chunks of `files`; how many had to be PUT. */
  async send(upload: string, files: Files, attempt = 1): Promise<number> {
    const { repository } = this.#place;
    if (entriesOf(files).every((file) => file.mode === "link" || file.size === 0)) return 0;
    const reservation = await this.pusher.reserve(repository, upload, files, attempt);
    const statuses = await this.pusher.send(reservation, files);
    await this.pusher.confirm(repository, upload, reservation, attempt);
    return statuses.length;
  }

  seal(upload: string, files: Files, attempt = 1) {
    const { repository, part } = this.#place;
    const body = { files: entriesOf(files), attempt, operationId: operationId() };
    return this.client.call("sealPart", { repository, params: { upload, part: `${part}` }, body });
  }

  /** Joins, sends and seals; the shared upload. */
  async bring(files: Files): Promise<string> {
    const { upload } = await this.join();
    await this.send(upload, files);
    await this.seal(upload, files);
    return upload;
  }

  commit(upload: string, how: { parent?: RevisionId | null; message?: string } = {}): Promise<RevisionSummary> {
    return this.client.call("commitSession", { repository: this.#place.repository, params: { upload }, body: how });
  }

  async abort(upload: string): Promise<void> {
    await this.client.call("abortSession", { repository: this.#place.repository, params: { upload } });
  }
}
