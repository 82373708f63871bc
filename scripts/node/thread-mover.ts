/** The mover that hands its tasks to a data thread. */
import { Worker } from "node:worker_threads";
import type { Digest } from "../../shared/digest.ts";
import { FerryError, problemOf } from "../../shared/errors.ts";
import type {
  FetchAnswer,
  LocalChunk,
  MoveOptions,
  ScannedFile,
  ScanOptions,
  SendTask,
  SourceFile,
  StoreAnswer,
} from "../../shared/transfer/ports.ts";
import type {
  CopyTask,
  DigestTask,
  FetchTask,
  FindTask,
  HoldsTask,
  JoinAnswer,
  JoinTask,
  LimitTask,
  Mover,
  MoverSetting,
} from "./mover.ts";
import { type FromThread, receivedError, type Task, type ThreadSetting, type ToThread } from "./thread-messages.ts";

declare global {
  interface ImportMeta {
    /** In the file that is shipped: the code of a data thread. It is a tenth of that file, and so starts sooner than all of it would. */
    readonly dataThread?: string;
  }
}

type Running = {
  resolve: (result: unknown) => void;
  reject: (error: unknown) => void;
  onBytes: (bytes: number) => void;
  onChunk: (chunk: LocalChunk) => Promise<void>;
};
type Ears = { signal: AbortSignal; onBytes?: Running["onBytes"]; onChunk?: Running["onChunk"] };

/** A thread makes little garbage; left alone, its heap would grow for the sake of collecting less often. */
const YOUNG_MIB = 8;

export class ThreadMover implements Mover {
  readonly ready: Promise<void>;
  readonly #worker: Worker;
  readonly #running = new Map<number, Running>();
  #lastId = 0;
  /** Why the thread is no more. */
  #failure: Error | null = null;

  constructor(mover: MoverSetting) {
    this.#worker = startThread(mover);
    this.ready = new Promise((resolve, reject) => {
      this.#worker.on("message", (message: FromThread) => (message.kind === "ready" ? resolve() : this.#hear(message)));
      this.#worker.once("exit", () => reject(this.#end("it ended")));
    });
    // Whoever waits for it hears of it; without, nothing is lost.
    this.ready.catch(() => {});
    this.#worker.once("error", (error) => this.#end(problemOf(error)));
  }

  scan(file: SourceFile, { md5, signal, onChunk }: ScanOptions): Promise<ScannedFile> {
    return this.#run({ do: "scan", file, md5 }, { signal, onChunk });
  }

  send(task: SendTask, { signal, onBytes }: MoveOptions): Promise<StoreAnswer> {
    return this.#run({ do: "send", ...task }, { signal, onBytes });
  }

  holds(task: HoldsTask, signal: AbortSignal): Promise<boolean> {
    return this.#run({ do: "holds", ...task }, { signal });
  }

  fetch(task: FetchTask, { signal, onBytes }: MoveOptions): Promise<FetchAnswer> {
    return this.#run({ do: "fetch", ...task }, { signal, onBytes });
  }

  limit(task: LimitTask): Promise<boolean> {
    return this.#run({ do: "limit", ...task }, { signal: new AbortController().signal });
  }

  join(task: JoinTask, signal: AbortSignal): Promise<JoinAnswer> {
    return this.#run({ do: "join", ...task }, { signal });
  }

  find(task: FindTask, signal: AbortSignal): Promise<Digest[]> {
    return this.#run({ do: "find", ...task }, { signal });
  }

  digest(task: DigestTask, signal: AbortSignal): Promise<string> {
    return this.#run({ do: "digest", ...task }, { signal });
  }

  copy(task: CopyTask, signal: AbortSignal): Promise<boolean> {
    return this.#run({ do: "copy", ...task }, { signal });
  }

  forget(part: number): void {
    this.#post({ kind: "forget", part });
  }

  /** Its tasks have ended, so there is nothing that it would have to finish. */
  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  /** Settles when the thread has answered, also after a stop: only then has it let go of the files. */
  async #run<R>(task: Task, { signal, onBytes = () => {}, onChunk = async () => {} }: Ears): Promise<R> {
    signal.throwIfAborted();
    if (this.#failure !== null) throw this.#failure;
    const id = ++this.#lastId;
    const stop = () => this.#post({ kind: "stop", id });
    signal.addEventListener("abort", stop, { once: true });
    try {
      return await new Promise<R>((resolve, reject) => {
        // Both ends are of one build: the result is that of the task.
        this.#running.set(id, { resolve: resolve as (result: unknown) => void, reject, onBytes, onChunk });
        this.#post({ kind: "start", id, task });
      });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
      this.#running.delete(id);
    }
  }

  #hear(message: FromThread): void {
    switch (message.kind) {
      case "ready":
        break;
      case "moved":
        for (const [id, bytes] of message.bytes) this.#running.get(id)?.onBytes(bytes);
        break;
      case "chunk":
        void this.#takeChunk(message.id, message.chunk);
        break;
      case "done":
        this.#running.get(message.id)?.resolve(message.result);
        break;
      case "failed":
        this.#running.get(message.id)?.reject(receivedError(message.error));
        break;
      default:
        message satisfies never;
    }
  }

  async #takeChunk(id: number, chunk: LocalChunk): Promise<void> {
    const running = this.#running.get(id);
    try {
      await running?.onChunk(chunk);
      this.#post({ kind: "go", id });
    } catch (error) {
      // What stops the main thread from taking it is why the scan fails; the thread stops by itself.
      this.#post({ kind: "stop", id });
      running?.reject(error);
    }
  }

  #post(message: ToThread): void {
    this.#worker.postMessage(message);
  }

  #end(problem: string): Error {
    this.#failure ??= new FerryError("INTERNAL", { problem: `a data thread failed: ${problem}` });
    for (const running of this.#running.values()) running.reject(this.#failure);
    return this.#failure;
  }
}

function startThread(mover: MoverSetting): Worker {
  const workerData: ThreadSetting = { role: "modelferry data thread", mover, program: import.meta.url };
  const options = { workerData, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB } };
  const code = import.meta.dataThread;
  if (code === undefined) return new Worker(new URL("./data-thread.ts", import.meta.url), options);
  // Told what it is, Node need not find it out by compiling it once more.
  return new Worker(code, { ...options, eval: true, execArgv: [...process.execArgv, "--input-type=commonjs"] });
}
