/** The page's side of the hashing workers. */
import { Digest } from "../../../../shared/digest.ts";
import { FerryError } from "../../../../shared/errors.ts";
import type { ScannedFile, ScanOptions } from "../../../../shared/transfer/ports.ts";
import { TRUSTED_POLICY } from "../../policy.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

const WORKER = "/console/hash-worker.js";

type Policy = { createScriptURL(url: string): string };
type Policies = { createPolicy(name: string, rules: Policy): Policy };

/** The one address that code may be taken from. */
let policy: Policy | undefined;
function workerUrl(): string {
  const { trustedTypes } = globalThis as { trustedTypes?: Policies };
  policy ??= trustedTypes?.createPolicy(TRUSTED_POLICY, {
    createScriptURL(url) {
      if (url !== WORKER) throw new TypeError("no such script");
      return url;
    },
  });
  return policy?.createScriptURL(WORKER) ?? WORKER;
}

type Scanning = { path: string; options: ScanOptions; resolve: (file: ScannedFile) => void; reject: (error: unknown) => void };

export class HashPool {
  readonly #workers: Worker[];
  readonly #scans = new Map<number, Scanning>();
  #next = 0;

  constructor(width: number) {
    this.#workers = Array.from({ length: width }, () => this.#start());
  }

  /** Throws FILE_CHANGED, FILE_UNREADABLE, and what `onChunk` throws. */
  scan(path: string, file: File, options: ScanOptions): Promise<ScannedFile> {
    const id = this.#next++;
    const worker = this.#workers[id % this.#workers.length] as Worker;
    const send = (message: ToWorker) => worker.postMessage(message);
    const stop = () => {
      send({ id, stop: true });
      this.#scans.get(id)?.reject(options.signal.reason);
    };
    options.signal.addEventListener("abort", stop, { once: true });
    return new Promise<ScannedFile>((resolve, reject) => {
      options.signal.throwIfAborted();
      this.#scans.set(id, { path, options, resolve, reject });
      send({ id, file });
    }).finally(() => {
      options.signal.removeEventListener("abort", stop);
      this.#scans.delete(id);
    });
  }

  close(): void {
    for (const worker of this.#workers) worker.terminate();
  }

  #start(): Worker {
    const worker = new Worker(workerUrl(), { type: "module" });
    worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => this.#hear(worker, data));
    worker.addEventListener("error", (event) => {
      const error = new FerryError("FILE_UNREADABLE", { path: "the files", problem: event.message || "the hashing worker did not start" });
      for (const { reject } of this.#scans.values()) reject(error);
    });
    return worker;
  }

  #hear(worker: Worker, message: FromWorker): void {
    const scanning = this.#scans.get(message.id);
    if (scanning === undefined) return;
    const { path, options, resolve, reject } = scanning;
    if ("done" in message) resolve({ sha256: Digest.parse(message.done.sha256), recipe: message.done.recipe });
    else if ("failed" in message) reject(failureOf(path, message.failed));
    else {
      const { chunk, id } = message;
      const ready: ToWorker = { id, ready: true };
      options.onChunk({ ...chunk, sha256: Digest.parse(chunk.sha256) }).then(() => worker.postMessage(ready), reject);
    }
  }
}

function failureOf(path: string, { changed, problem }: { changed: boolean; problem: string }): FerryError {
  return changed ? new FerryError("FILE_CHANGED", { path }) : new FerryError("FILE_UNREADABLE", { path, problem });
}
