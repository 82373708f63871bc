/** A data thread: carries out tasks for the main thread until that ends it. Runs as a worker; thread-mover.ts starts it. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { LocalChunk } from "../../shared/transfer/ports.ts";
import { LocalMover } from "./local-mover.ts";
import type { Mover } from "./mover.ts";
import { type FromThread, sentError, type Task, type ThreadSetting, type ToThread } from "./thread-messages.ts";

/** How often the main thread hears of bytes that moved: often enough to steer by. */
const TELL_MS = 50;

type Running = { stop: AbortController; go: () => void };

class DataThread {
  readonly #port: MessagePort;
  readonly #mover: Mover;
  readonly #running = new Map<number, Running>();
  readonly #moved = new Map<number, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(port: MessagePort, mover: Mover) {
    this.#port = port;
    this.#mover = mover;
    port.on("message", (message: ToThread) => this.#hear(message));
  }

  #hear(message: ToThread): void {
    switch (message.kind) {
      case "start":
        void this.#start(message.id, message.task);
        break;
      case "go":
        this.#running.get(message.id)?.go();
        break;
      case "stop":
        this.#running.get(message.id)?.stop.abort(new Error("stopped"));
        break;
      case "forget":
        this.#mover.forget(message.part);
        break;
      default:
        message satisfies never;
    }
  }

  async #start(id: number, task: Task): Promise<void> {
    const running: Running = { stop: new AbortController(), go: () => {} };
    this.#running.set(id, running);
    try {
      const result = await this.#run(id, task, running);
      this.#tell();
      this.#post({ kind: "done", id, result });
    } catch (error) {
      this.#tell();
      this.#post({ kind: "failed", id, error: sentError(error) });
    } finally {
      this.#running.delete(id);
    }
  }

  #run(id: number, task: Task, { stop: { signal } }: Running): Promise<unknown> {
    const moving = { signal, onBytes: (bytes: number) => this.#count(id, bytes) };
    switch (task.do) {
      case "scan":
        return this.#mover.scan(task.file, { md5: task.md5, signal, onChunk: (chunk) => this.#tellChunk(id, chunk) });
      case "send":
        return this.#mover.send(task, moving);
      case "holds":
        return this.#mover.holds(task, signal);
      case "fetch":
        return this.#mover.fetch(task, moving);
      case "limit":
        return this.#mover.limit(task);
      case "join":
        return this.#mover.join(task, signal);
      case "find":
        return this.#mover.find(task, signal);
      case "digest":
        return this.#mover.digest(task, signal);
      case "copy":
        return this.#mover.copy(task, signal);
      default:
        return task satisfies never;
    }
  }

  /** Resolves when the main thread has room for the next one. */
  #tellChunk(id: number, chunk: LocalChunk): Promise<void> {
    const running = this.#running.get(id);
    return new Promise((resolve, reject) => {
      if (running === undefined) return reject(new Error("no such scan"));
      running.go = resolve;
      running.stop.signal.addEventListener("abort", () => reject(running.stop.signal.reason), { once: true });
      this.#post({ kind: "chunk", id, chunk });
    });
  }

  #count(id: number, bytes: number): void {
    this.#moved.set(id, (this.#moved.get(id) ?? 0) + bytes);
    this.#timer ??= setTimeout(() => this.#tell(), TELL_MS);
  }

  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#moved.size === 0) return;
    this.#post({ kind: "moved", bytes: [...this.#moved] });
    this.#moved.clear();
  }

  #post(message: FromThread): void {
    this.#port.postMessage(message);
  }
}

async function listen(port: MessagePort): Promise<void> {
  const { mover } = workerData as ThreadSetting;
  new DataThread(port, await LocalMover.make(mover));
  port.postMessage({ kind: "ready" } satisfies FromThread);
}

// What it throws ends the thread, as an error that the main thread hears of.
if (parentPort !== null) void listen(parentPort);
