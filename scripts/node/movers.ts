/**
 * All movers of a transfer: this thread's own, and data threads once there is enough to do. They cost some memory and a moment, so a small
 * transfer never starts them; a large chunk waits for them, or this thread would be left with all of the first ones. Small chunks stay
 * here: telling another thread of one costs as much as moving it.
 */
import { MiB } from "../../shared/units.ts";
import { LocalMover } from "./local-mover.ts";
import type { Mover, MoverSetting } from "./mover.ts";
import { SMALL_BYTES_MAX } from "./small-files.ts";
import { ThreadMover } from "./thread-mover.ts";

const LARGE_BYTES = 4 * MiB;
/** So many that are neither small nor large keep a thread busy for longer than it takes to start one. */
const MIDDLING_TASKS_MAX = 16;

export class Movers {
  readonly #own: Mover;
  readonly #setting: MoverSetting;
  readonly #threadCount: number;
  #threads: ThreadMover[] = [];
  #ready: Promise<void> | null = null;
  #isReady = false;
  #middlingTasks = 0;
  readonly #loadBytes = new Map<Mover, number>();

  private constructor(own: Mover, setting: MoverSetting, threadCount: number) {
    this.#own = own;
    this.#setting = setting;
    this.#threadCount = threadCount;
  }

  /** @param threadCount data threads at most; 0: this one does all. */
  static async make(setting: MoverSetting, threadCount: number): Promise<Movers> {
    return new Movers(await LocalMover.make(setting), setting, threadCount);
  }

  /** How many move bytes at the same time, when there is enough to do. */
  get width(): number {
    return Math.max(1, this.#threadCount);
  }

  /** There will be a task on so many bytes: what takes a while to start may start. */
  expect(bytes: number): void {
    if (this.#threadCount > 0 && bytes >= LARGE_BYTES) this.#ready ??= this.#start();
  }

  /** Lets the mover that has the least to do run a task on so many bytes. */
  async run<R>(bytes: number, work: (mover: Mover) => Promise<R>): Promise<R> {
    const isOwn = await this.#isOwn(bytes);
    // Chosen when it starts, and not a turn before: of tasks that waited together, each counts for the next one.
    return this.on(isOwn ? this.#own : this.#idlest, bytes, work);
  }

  /** Runs a task on this very mover. */
  async on<R>(mover: Mover, bytes: number, work: (mover: Mover) => Promise<R>): Promise<R> {
    // One small task more counts, too.
    const load = bytes + 1;
    this.#loadBytes.set(mover, (this.#loadBytes.get(mover) ?? 0) + load);
    try {
      return await work(mover);
    } finally {
      this.#loadBytes.set(mover, (this.#loadBytes.get(mover) ?? 0) - load);
    }
  }

  forget(part: number): void {
    for (const mover of [this.#own, ...this.#threads]) mover.forget(part);
  }

  async close(): Promise<void> {
    await Promise.all([this.#own, ...this.#threads].map((mover) => mover.close()));
  }

  /** Whether a task on so many bytes is for this thread; if not, data threads are there when this resolves. */
  async #isOwn(bytes: number): Promise<boolean> {
    if (this.#threadCount === 0 || bytes <= SMALL_BYTES_MAX) return true;
    const isLarge = bytes >= LARGE_BYTES;
    if (!isLarge && this.#ready === null && ++this.#middlingTasks <= MIDDLING_TASKS_MAX) return true;
    this.#ready ??= this.#start();
    if (!this.#isReady && !isLarge) return true;
    await this.#ready;
    return false;
  }

  get #idlest(): Mover {
    return this.#threads.reduce<Mover>(
      (least, thread) => (this.#load(thread) < this.#load(least) ? thread : least),
      this.#threads[0] ?? this.#own,
    );
  }

  #load(mover: Mover): number {
    return this.#loadBytes.get(mover) ?? 0;
  }

  async #start(): Promise<void> {
    const { transport, directBytes } = this.#setting;
    const { bandwidthBytesPerSecond } = transport;
    const share = bandwidthBytesPerSecond === undefined ? undefined : bandwidthBytesPerSecond / this.#threadCount;
    const setting = {
      transport: { ...transport, bandwidthBytesPerSecond: share },
      directBytes: directBytes / this.#threadCount,
    };
    this.#threads = Array.from({ length: this.#threadCount }, () => new ThreadMover(setting));
    try {
      await Promise.all(this.#threads.map((thread) => thread.ready));
      this.#isReady = true;
    } catch {
      // A machine that gives no thread leaves the work to this one.
      for (const thread of this.#threads.splice(0)) await thread.close();
    }
  }
}
