/**
 * Chunks by way of the agent of this machine: it brings a chunk into its cache and says where, and the pull takes it from there as from any
 * folder with chunks, hashing it; where that folder is not to be seen, the bytes come through the agent's door. An agent that is absent, slow or wrong costs a moment: then the pull goes to the store, and stays there.
 */
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { Agent as Connections, type IncomingMessage, request } from "node:http";
import * as z from "zod";
import type { FerryClient } from "../../shared/client.ts";
import { CHUNK_TICKETS_MAX } from "../../shared/contract/agents.ts";
import type { Digest } from "../../shared/digest.ts";
import { problemOf } from "../../shared/errors.ts";
import type { RepositoryName, RevisionId } from "../../shared/names.ts";
import { Window } from "../../shared/transfer/semaphore.ts";
import type { ChunkShelf, Found } from "../node/chunk-cache.ts";
import { fsCode } from "../node/fs-errors.ts";
import type { AgentPlace } from "./agent-place.ts";
import { chunkAddress } from "./chunk-address.ts";
import type { Chunk } from "./filling.ts";

/** Chunks that are asked for at once. */
const WIDTH = 16;
const ANSWER_BYTES_MAX = 64 * 1024;
/** The agent says where a chunk is, or, after this, how far it has come. */
const WAIT_SECONDS = 4;
/** An agent that does not answer at all is left after so long. */
const ANSWER_MS = 15_000;
/** Answers without a byte that moved, of this chunk and of all that the agent brings, after which it is left: 20 seconds and two minutes. */
const STILL_ALL_MAX = 5;
const STILL_CHUNK_MAX = 30;
const FAILURES_MAX = 3;
const UNSEEN = ["ENOENT", "ENOTDIR", "EACCES", "EPERM"];

const PathAnswer = z.object({ path: z.string().startsWith("/") });
const WaitAnswer = z.object({ bytes: z.int(), brought: z.int() });
const About = z.object({ id: z.string(), group: z.string(), folder: z.string() });

export type Revision = { repository: RepositoryName; revision: RevisionId };

export class AgentShelf implements ChunkShelf {
  readonly #place: AgentPlace;
  readonly #client: FerryClient;
  readonly #note: (text: string) => void;
  readonly #connections = new Connections({ keepAlive: true, maxSockets: WIDTH });
  readonly #window = new Window(WIDTH);
  readonly #paths = new Map<Digest, string>();
  /** The agent's folder is not to be seen from here: bytes come through its door. */
  #isBlind = false;
  readonly #tickets = new Map<Digest, Promise<ReadonlyMap<Digest, string>>>();
  #upcoming: Digest[] = [];
  #of: Revision | null = null;
  #group: Promise<string> | null = null;
  #failures = 0;
  #isOff = false;
  readonly counts = { given: 0, failed: 0 };

  /** @param note told once, when the agent is left. */
  constructor(place: AgentPlace, client: FerryClient, note: (text: string) => void) {
    this.#place = place;
    this.#client = client;
    this.#note = note;
  }

  /** What will be asked for, in that order. */
  expect(of: Revision, chunks: readonly Chunk[]): void {
    this.#of = of;
    this.#upcoming = [...new Set(chunks.map(({ sha256 }) => sha256))];
  }

  path(sha256: Digest): string {
    return this.#paths.get(sha256) ?? "";
  }

  async find({ sha256, size }: Chunk, signal: AbortSignal): Promise<Found | null> {
    if (this.#isOff || this.#of === null) return null;
    const wanted = { sha256, size, ...this.#of };
    await this.#window.take(1, signal);
    try {
      if (this.#isOff) return null;
      const ticket = await this.#ticket(sha256, signal);
      const path = await this.#pathOf(chunkAddress("", wanted, ticket, { as: "path", wait: String(WAIT_SECONDS) }), signal);
      const fd = this.#isBlind ? null : this.#openAt(path, { sha256, size });
      this.#failures = 0;
      if (fd === null && !this.#isBlind) return null;
      this.counts.given++;
      return fd === null ? { url: chunkAddress(this.#base, wanted, ticket) } : { fd };
    } catch (error) {
      signal.throwIfAborted();
      this.#failed(error);
      return null;
    } finally {
      this.#window.give(1);
    }
  }

  /** Waits as long as anything moves. */
  async #pathOf(url: string, signal: AbortSignal): Promise<string> {
    let last = { bytes: -1, brought: -1 };
    let [stillAll, stillChunk] = [0, 0];
    for (;;) {
      const answer = await this.#ask("GET", url, ANSWER_MS, signal);
      const wait = WaitAnswer.safeParse(answer);
      if (!wait.success) return PathAnswer.parse(answer).path;
      stillAll = wait.data.brought === last.brought ? stillAll + 1 : 0;
      stillChunk = wait.data.bytes === last.bytes ? stillChunk + 1 : 0;
      if (stillAll >= STILL_ALL_MAX || stillChunk >= STILL_CHUNK_MAX) throw new Error("it brings nothing");
      last = wait.data;
    }
  }

  /** The agent reads its file again, and has it no more when it is wrong: then it brings the chunk anew. */
  async wrong({ sha256, size }: Chunk, signal: AbortSignal): Promise<boolean> {
    if (this.#isOff || this.#of === null) return false;
    try {
      const url = chunkAddress("", { sha256, size, ...this.#of }, await this.#ticket(sha256, signal));
      await this.#ask("POST", url, ANSWER_MS, signal);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      this.#failed(error);
      return false;
    }
  }

  #failed(error: unknown): void {
    this.counts.failed++;
    if (this.#isOff) return;
    const isRefusal = error instanceof Refusal;
    if (++this.#failures < FAILURES_MAX && isRefusal) return;
    this.#isOff = true;
    this.#note(`without the agent of this machine: ${problemOf(error)}`);
  }

  get #base(): string {
    const place = this.#place;
    if ("socketPath" in place) return `unix://${encodeURIComponent(place.socketPath)}`;
    return `http://${place.host.includes(":") ? `[${place.host}]` : place.host}:${place.port}`;
  }

  /** Null: not the chunk's file, or there is none to be seen from here. */
  #openAt(path: string, { sha256, size }: Chunk): number | null {
    let fd: number;
    try {
      fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      if (!UNSEEN.includes(fsCode(error))) throw error;
      this.#isBlind = true;
      return null;
    }
    const stats = fstatSync(fd);
    if (stats.isFile() && stats.size === size) {
      this.#paths.set(sha256, path);
      return fd;
    }
    closeSync(fd);
    return null;
  }

  async #ticket(sha256: Digest, signal: AbortSignal): Promise<string> {
    const known = this.#tickets.get(sha256);
    const page = known ?? this.#askTickets(sha256, signal);
    const ticket = (await page).get(sha256);
    if (ticket === undefined) throw new Error("the API gave no ticket");
    return ticket;
  }

  /** Together with those that come next. */
  #askTickets(first: Digest, signal: AbortSignal): Promise<ReadonlyMap<Digest, string>> {
    const digests = new Set([first]);
    for (const sha256 of this.#upcoming) if (digests.size < CHUNK_TICKETS_MAX && !this.#tickets.has(sha256)) digests.add(sha256);
    const page = this.#callTickets([...digests], signal);
    for (const sha256 of digests) this.#tickets.set(sha256, page);
    this.#upcoming = this.#upcoming.filter((sha256) => !digests.has(sha256));
    return page;
  }

  async #callTickets(chunks: Digest[], signal: AbortSignal): Promise<ReadonlyMap<Digest, string>> {
    const { repository, revision } = this.#of ?? { repository: "" as RepositoryName, revision: "" };
    this.#group ??= this.#ask("GET", "/v1/agent", ANSWER_MS, signal).then((about) => About.parse(about).group);
    const body = { chunks, group: await this.#group };
    const { items } = await this.#client.call("chunkTickets", { repository, params: { ref: revision }, body }, signal);
    return new Map(items.map((item) => [item.sha256, item.ticket]));
  }

  async #ask(method: "GET" | "POST", path: string, timeoutMs: number, signal: AbortSignal): Promise<unknown> {
    for (;;) {
      const { answer, isStale } = await this.#askOnce(method, path, timeoutMs, signal);
      // The agent ended a connection that was idle in the moment in which it was used again.
      if (!isStale) return answer;
    }
  }

  #askOnce(method: "GET" | "POST", path: string, timeoutMs: number, signal: AbortSignal): Promise<{ answer: unknown; isStale: boolean }> {
    return new Promise((resolve, reject) => {
      const asked = request({ ...this.#place, method, path, agent: this.#connections, signal });
      const timer = setTimeout(() => {
        // What came while this process was busy is read first.
        setImmediate(() => setImmediate(() => asked.destroy(new Error(`no answer within ${Math.round(timeoutMs / 1000)} s`))));
      }, timeoutMs);
      asked.once("close", () => clearTimeout(timer));
      asked.once("error", (error) => {
        const isStale = asked.reusedSocket && ["EPIPE", "ECONNRESET"].includes(fsCode(error));
        if (isStale) resolve({ answer: null, isStale });
        else reject(error);
      });
      asked.once("response", (response) => readJson(response).then((answer) => resolve({ answer, isStale: false }), reject));
      asked.end();
    });
  }
}

/** The agent is there, and says no. */
class Refusal extends Error {}

async function readJson(response: IncomingMessage): Promise<unknown> {
  let text = "";
  response.setEncoding("utf8");
  for await (const piece of response) {
    text += String(piece);
    if (text.length > ANSWER_BYTES_MAX) throw new Error("its answer is too long");
  }
  if (response.statusCode === 200 || response.statusCode === 202) return JSON.parse(text);
  const { code } = z.object({ code: z.string() }).catch({ code: "" }).parse(safeJson(text));
  throw new Refusal(`it answered ${response.statusCode} ${code}`.trim());
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
