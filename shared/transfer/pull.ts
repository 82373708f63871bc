/**
 * The pull: manifest and recipes, then file by file what is missing of it, in parallel, each chunk verified where it arrives; a file
 * gets its name when all of it is there. Links come last, so that nothing is ever written through one.
 */
import type { FerryClient } from "../client.ts";
import type { Digest } from "../digest.ts";
import type { RepositoryName } from "../names.ts";
import type { PullRequest, PullResult } from "./contract.ts";
import { Crew, pool } from "./crew.ts";
import { EndGame } from "./end-game.ts";
import { Lanes } from "./lanes.ts";
import { Links } from "./links.ts";
import type { Machine, Part, Target, WantedChunk, WantedFile } from "./ports.ts";
import type { Progress } from "./progress.ts";
import { pullChunk } from "./pull-chunk.ts";
import { type PullPlan, planPull } from "./pull-plan.ts";
import type { RetryBudget } from "./retry.ts";
import { Window } from "./semaphore.ts";
import type { Width } from "./width.ts";

/** Files that are whole but wait for their names: each has a descriptor. */
const UNSEALED_MAX = 512;

export type PullSetting = {
  client: FerryClient;
  request: PullRequest;
  target: Target;
  machine: Machine;
  progress: Progress;
  budget: RetryBudget;
  /** Requests to the store at once. */
  width: Width;
  /** Files on their way at once. Many, because small files wait on the disk; each has one descriptor. */
  filesOpen: number;
  /** Told what will be brought, before any of it is. */
  onPlan?: (plan: PullPlan, repository: RepositoryName) => void;
};

/** Throws what the registry answers, what the ports throw, and what pull-plan.ts and pull-chunk.ts throw. */
export async function pull(setting: PullSetting, signal: AbortSignal): Promise<PullResult> {
  const { client, request, target, progress, machine } = setting;
  const startedMs = machine.nowMs();
  progress.start("listing");
  const plan = await planPull(client, request, signal, (largestBytes) => target.expect(largestBytes));
  setting.onPlan?.(plan, request.repository);
  const bytesTotal = plan.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  progress.start("moving", { bytes: bytesTotal, files: plan.files.length });
  const fetched = await intoTarget(target, plan.files, () => new TreePuller(setting, plan, signal).run());
  const { repository, ref } = request;
  return {
    repository,
    ref,
    revision: plan.revision,
    files: plan.files.length + plan.links.length,
    bytesTotal,
    bytesMoved: fetched.bytes,
    chunksTotal: new Set(plan.files.flatMap((file) => file.chunks.map((chunk) => chunk.sha256))).size,
    chunksMoved: fetched.chunks,
    seconds: (machine.nowMs() - startedMs) / 1000,
  };
}

async function intoTarget<T>(target: Target, files: readonly WantedFile[], work: () => Promise<T>): Promise<T> {
  await target.open(files);
  try {
    const result = await work();
    await target.close(true);
    return result;
  } catch (error) {
    await target.close(false);
    throw error;
  }
}

type Bringing = { part: Part; chunk: WantedChunk; other: Promise<void> | undefined; signal: AbortSignal };

class TreePuller {
  readonly #setting: PullSetting;
  readonly #plan: PullPlan;
  readonly #signal: AbortSignal;
  readonly #links: Links;
  readonly #lanes: Lanes;
  readonly #endGame = new EndGame();
  readonly #unsealed = new Window(UNSEALED_MAX);
  /** Chunks that some file is fetching: another file that needs one waits, then takes it from the disk. */
  readonly #fetching = new Map<Digest, Promise<void>>();
  readonly #fetched = { bytes: 0, chunks: 0 };

  constructor(setting: PullSetting, plan: PullPlan, signal: AbortSignal) {
    this.#setting = setting;
    this.#plan = plan;
    this.#signal = signal;
    const { client, machine, request } = setting;
    this.#lanes = new Lanes(setting.width, machine);
    this.#links = new Links({ client, repository: request.repository, revision: plan.revision.revision, machine, signal });
  }

  async run(): Promise<{ bytes: number; chunks: number }> {
    const { target, progress, filesOpen } = this.#setting;
    // Largest first: a large file at the end would leave the connections idle, one after another.
    const order = [...this.#plan.files].sort((a, b) => b.sizeBytes - a.sizeBytes);
    const crew = new Crew(this.#signal);
    const all = async () => {
      await pool(this.#expecting(order), { width: filesOpen, signal: crew.signal }, (file, signal) => this.#file(file, crew, signal)).catch(
        (error: unknown) => crew.abandon(error),
      );
      await crew.finish();
    };
    await this.#lanes.during(all, () => this.#endGame.step(this.#lanes.free));
    progress.start("finishing");
    for (const { path, target: to } of this.#plan.links) await target.link(path, to);
    return this.#fetched;
  }

  /** Gives the files in their order, and lets URLs of those that come next be asked for together with those of the one that is given. */
  *#expecting(order: readonly WantedFile[]): Generator<WantedFile> {
    let expected = 0;
    for (const file of order) {
      for (; !this.#links.isFull && expected < order.length; expected++) this.#links.expect(order[expected]?.chunks ?? []);
      yield file;
    }
  }

  /** Brings all of a file. It is sealed by `crew`, since that may wait for other files, while the next ones are brought. */
  async #file(file: WantedFile, crew: Crew, signal: AbortSignal): Promise<void> {
    const { target, progress } = this.#setting;
    const part = await target.prepare(file, signal);
    if (part === null) {
      for (const chunk of file.chunks) this.#links.release(chunk.sha256);
      progress.done(file.sizeBytes);
      return progress.fileDone();
    }
    const orLeave = async (error: unknown): Promise<never> => {
      await part.leave();
      throw error;
    };
    await this.#fill(part, file, signal).catch(orLeave);
    await this.#unsealed.take(1, signal).catch(orLeave);
    crew.start(async () => {
      await part
        .seal()
        .catch(orLeave)
        .finally(() => this.#unsealed.give(1));
      progress.fileDone();
    });
  }

  async #fill(part: Part, file: WantedFile, signal: AbortSignal): Promise<void> {
    const { progress } = this.#setting;
    const missing = file.chunks.filter((chunk) => !part.holds(chunk.sha256));
    for (const chunk of file.chunks) if (part.holds(chunk.sha256)) progress.done(placedBytes(chunk));
    for (const chunk of file.chunks) if (part.holds(chunk.sha256)) this.#links.release(chunk.sha256);
    // All at once: the connections bound what really runs, and take chunks in the order of files.
    const bring = async (chunk: WantedChunk, stop: AbortSignal) => {
      await this.#chunk(part, chunk, stop);
      progress.done(placedBytes(chunk));
    };
    const [only] = missing;
    if (only !== undefined && missing.length === 1) await bring(only, signal);
    else await pool(missing, { width: Math.max(1, missing.length), signal }, bring);
  }

  /** Each chunk is fetched once. Files that need it, too, wait, and borrow it. */
  async #chunk(part: Part, chunk: WantedChunk, signal: AbortSignal): Promise<void> {
    const other = this.#fetching.get(chunk.sha256);
    const bringing = this.#bring({ part, chunk, other, signal });
    if (chunk.shared && other === undefined) this.#fetching.set(chunk.sha256, bringing);
    await bringing;
  }

  async #bring({ part, chunk, other, signal }: Bringing): Promise<void> {
    // Whether the other's fetch failed is the other's to tell.
    if (other !== undefined) await other.catch(() => {});
    signal.throwIfAborted();
    if (await part.borrow(chunk, signal)) this.#links.release(chunk.sha256);
    else await this.#fetch(part, chunk, signal);
  }

  async #fetch(part: Part, chunk: WantedChunk, signal: AbortSignal): Promise<void> {
    const { machine, budget, progress } = this.#setting;
    const [links, lanes, endGame] = [this.#links, this.#lanes, this.#endGame];
    await pullChunk({ part, chunk, links, lanes, endGame, machine, budget, progress, signal });
    this.#fetched.bytes += chunk.size;
    this.#fetched.chunks++;
  }
}

function placedBytes(chunk: WantedChunk): number {
  return chunk.places.reduce((sum, place) => sum + place.length, 0);
}
