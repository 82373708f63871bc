/** Eight clients that push beside what a test does to the system, what was acknowledged to them, and whether all of it is there. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { FerryClient } from "../../shared/client.ts";
import type { RevisionSummary } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import { contentEntries, parseManifest } from "../../shared/manifest.ts";
import type { RepositoryName, RevisionId } from "../../shared/names.ts";
import { downloadUrl } from "../../shared/tickets.ts";
import type { Live } from "./live.ts";
import { operationId, repositoryName } from "./memory-app.ts";
import { type Files, Pusher } from "./pusher.ts";

export type Acknowledged = { revision: RevisionId; seq: number; files: Files; message: string };
export type Crowd = {
  /** Of each repository, in the order in which they were acknowledged. */
  acknowledged: Map<RepositoryName, Acknowledged[]>;
  /** Calls that got no answer, or one of 500 and more. */
  failures: number;
  /** The longest that a push waited for its acknowledgement. */
  longestMs: number;
};

const CLIENTS = 8;
/** Between two pushes of a client. */
const PAUSE_MS = 150;
/** The same beside work of many calls, such as a collection, which shall come to its end beside them on any machine. */
export const LONG_PAUSE_MS = 600;

/** Each pushes into a repository of its own, again and again, until it is told to stop. */
export class RunningCrowd {
  readonly #live: Live;
  readonly #pauseMs: number;
  readonly #client: FerryClient;
  readonly #result: Crowd = { acknowledged: new Map(), failures: 0, longestMs: 0 };
  readonly #clients: Promise<unknown>;
  #count = 0;
  #running = true;

  constructor(live: Live, name: string, { pauseMs = PAUSE_MS } = {}) {
    this.#live = live;
    this.#pauseMs = pauseMs;
    this.#client = this.#makeClient();
    this.#clients = Promise.all(Array.from({ length: CLIENTS }, (_, at) => this.#run(`${name}/client-${at}`)));
    // Told by whoever waits for it.
    this.#clients.catch(() => {});
  }

  /** Waits until so many more pushes are acknowledged. */
  async more(count: number): Promise<void> {
    const wanted = this.#count + count;
    while (this.#count < wanted) await Promise.race([this.#clients, sleep(5)]);
  }

  /** Lets each client's last push come to its end. */
  async stop(): Promise<Crowd> {
    this.#running = false;
    await this.#clients;
    return this.#result;
  }

  async #run(name: string): Promise<void> {
    const repository = repositoryName(name);
    const pusher = new Pusher(this.#client, fetch as never);
    await persistently(() => create(pusher, repository));
    const pushes: Acknowledged[] = [];
    this.#result.acknowledged.set(repository, pushes);
    for (let round = 0; this.#running; round++) {
      const beganMs = performance.now();
      pushes.push(await push(pusher, repository, `${name} ${round}`));
      this.#count++;
      this.#result.longestMs = Math.max(this.#result.longestMs, performance.now() - beganMs);
      await sleep(this.#pauseMs);
    }
  }

  #makeClient(): FerryClient {
    const { endpoint, token } = this.#live.stack;
    const counted = async (url: string, init: RequestInit) => {
      const failed = (error: unknown): never => {
        this.#result.failures++;
        throw error;
      };
      const response = await fetch(url, init).catch(failed);
      if (response.status >= 500) this.#result.failures++;
      return response;
    };
    return new FerryClient({ endpoint, token, fetch: counted, sleep: (ms) => sleep(ms), random: Math.random });
  }
}

async function create(pusher: Pusher, repository: RepositoryName): Promise<void> {
  await pusher.create(repository).catch((error: unknown) => {
    if (!(error instanceof FerryError) || error.code !== "REPOSITORY_EXISTS") throw error;
  });
}

/** A push on top of what the registry said of the branch; where that was old, once more. */
async function push(pusher: Pusher, repository: RepositoryName, message: string): Promise<Acknowledged> {
  const files = { own: `${message} ${randomBytes(8).toString("hex")}`, common: `common ${message.length % 3}` };
  for (;;) {
    try {
      const { revision, seq } = await pushOnce(pusher, repository, files, message);
      return { revision, seq, files, message };
    } catch (error) {
      if (!(error instanceof FerryError) || error.code !== "BRANCH_MOVED") throw error;
    }
  }
}

/** As the engine does: a commit that got no answer is asked for again as it was; what it calls unproven is sent under the next attempt. */
async function pushOnce(pusher: Pusher, repository: RepositoryName, files: Files, message: string): Promise<RevisionSummary> {
  const { upload, parent } = await persistently(() => pusher.open(repository));
  const commit = { parent, message, operationId: operationId() };
  for (let attempt = 1; ; ) {
    await persistently(() => send(pusher, repository, upload, files, attempt));
    try {
      return await persistently(() => pusher.commit(repository, upload, files, { ...commit, attempt }));
    } catch (error) {
      if (!(error instanceof FerryError) || error.code !== "CHUNK_UNPROVEN") throw error;
      attempt = Number(error.details["attempt"]);
    }
  }
}

async function send(pusher: Pusher, repository: RepositoryName, upload: string, files: Files, attempt: number): Promise<void> {
  const reservation = await pusher.reserve(repository, upload, files, attempt);
  await pusher.send(reservation, files);
  await pusher.confirm(repository, upload, reservation, attempt);
}

/** Again and again, for a minute at most: what a client is told is never taken for the end of it. */
async function persistently<T>(act: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + 60_000; ; ) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof FerryError) || !error.retryable || Date.now() > deadline) throw error;
      await sleep(20 + 80 * Math.random());
    }
  }
}

export type Verdict = { revisions: number; lost: number; doubled: number; torn: number };

/** Reads everything by the API and the stores: each acknowledged push is there once, in the order of acknowledgement, byte for byte. */
export async function judgeCrowd(live: Live, { acknowledged }: Crowd): Promise<Verdict> {
  const verdict: Verdict = { revisions: 0, lost: 0, doubled: 0, torn: 0 };
  for (const [repository, pushes] of acknowledged) {
    const history = await historyOf(live, repository);
    for (const { revision, message, seq } of pushes) {
      verdict.revisions++;
      if (!history.some((entry) => entry.revision === revision && entry.seq === seq)) verdict.lost++;
      if (history.filter((entry) => entry.message === message).length !== 1) verdict.doubled++;
    }
    for (const { revision, files } of pushes.slice(-3)) if (!(await isReadable(live, repository, { ref: revision, files }))) verdict.torn++;
    const seqs = pushes.map(({ seq }) => seq);
    assert.deepEqual(
      seqs,
      [...seqs].sort((a, b) => a - b),
      "in the order of acknowledgement",
    );
  }
  return verdict;
}

async function historyOf({ admin }: Live, repository: RepositoryName) {
  const revisions: { revision: RevisionId; seq: number; message: string }[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await admin.call("listRevisions", { repository, query: { limit: "1000", ...(cursor === undefined ? {} : { cursor }) } });
    revisions.push(...page.revisions);
    cursor = page.next;
  }
  return revisions;
}

/** An independent reader: manifest by digest, every chunk by presigned URL, every byte hashed. */
export async function isReadable(
  { admin }: Live,
  repository: RepositoryName,
  { ref, files }: { ref: string; files: Files },
): Promise<boolean> {
  const answer = await admin.call("manifest", { repository, params: { ref } });
  const manifest = await parseManifest(answer.manifest, answer.revision.manifest);
  const entries = contentEntries(manifest);
  if (entries.length !== Object.keys(files).length) return false;
  const chunks = entries.flatMap(({ chunk }) => (chunk === undefined ? [] : [chunk]));
  const batch = await admin.call("download", { repository, params: { ref }, body: { chunks } });
  for (const item of batch.items) {
    const bytes = new Uint8Array(await (await fetch(downloadUrl(batch, item))).arrayBuffer());
    if (createHash("sha256").update(bytes).digest("hex") !== item.sha256) return false;
  }
  return batch.items.length === new Set(chunks).size;
}
