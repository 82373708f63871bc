/** A thread that swaps a folder or a file with a link to a place outside, over and over: what an attacker on the same machine does. */
import { existsSync, lstatSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

export type Swapper = { count(): number; stop(): Promise<void> };
type Data = { paths: string[]; outside: string; counter: Int32Array<SharedArrayBuffer> };

/** @param paths each is swapped in turn when it is there */
export function startSwapper(paths: string[], outside: string): Swapper {
  const counter = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(new URL(import.meta.url), { workerData: { paths, outside, counter } satisfies Data });
  return {
    count: () => Atomics.load(counter, 0),
    async stop() {
      const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
      Atomics.store(counter, 1, 1);
      await ended;
    },
  };
}

function swapAll({ paths, outside, counter }: Data): void {
  while (Atomics.load(counter, 1) === 0) for (const path of paths) if (swap(path, outside)) Atomics.add(counter, 0, 1);
}

/** Away, a link in its place, and back. Whatever the victim does meanwhile may make any step fail. */
function swap(path: string, outside: string): boolean {
  const aside = `${path}.aside`;
  try {
    if (existsSync(path) && !lstatSync(path).isSymbolicLink()) renameSync(path, aside);
    symlinkSync(outside, path);
  } catch {
    return false;
  } finally {
    try {
      if (existsSync(aside)) {
        rmSync(path, { force: true });
        renameSync(aside, path);
      } else if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) rmSync(path);
    } catch {}
  }
  return true;
}

if (!isMainThread && parentPort !== null && workerData?.counter !== undefined) swapAll(workerData as Data);
