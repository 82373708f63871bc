/** Starts the bench's own S3 server, and gives it orders. */
import type { ChildProcess } from "node:child_process";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Child, startNode } from "../../stack/child.ts";
import type { Count } from "./counts.ts";
import type { Faults } from "./faults.ts";
import { Counted, Done, type Order, Started } from "./orders.ts";

export type S3ServerOptions = {
  /** Large bodies live here; a tmpfs, lest a disk is measured. */
  folder: string;
  logFile: string;
  bucket: string;
  accessKeyId: string;
  /** PEM texts; null: plain HTTP. */
  tls: { key: string; certificate: string } | null;
};

export type Adopted = { key: string; path: string; sizeBytes: number; md5: string };

type Send = (order: Order) => Promise<unknown>;

export class S3Server {
  readonly child: Child;
  readonly port: number;
  readonly #send: Send;

  private constructor(child: Child, port: number, send: Send) {
    this.child = child;
    this.port = port;
    this.#send = send;
  }

  /** Listens on a free port of the loopback address. */
  static async start({ logFile, ...settings }: S3ServerOptions): Promise<S3Server> {
    mkdirSync(settings.folder, { recursive: true });
    const file = fileURLToPath(new URL("server-process.ts", import.meta.url));
    const { child, channel } = await startNode({ name: "the bench's S3 server", args: [file], logFile });
    const send = sender(child, channel);
    const { port } = Started.parse(await send({ order: "start", settings }));
    return new S3Server(child, port, send);
  }

  async adopt(objects: readonly Adopted[]): Promise<void> {
    await this.#send({ order: "adopt", objects: [...objects] });
  }

  async store(objects: readonly { key: string; text: string }[]): Promise<void> {
    await this.#send({ order: "store", objects: [...objects] });
  }

  /** From now on large bodies below these keys are taken in and thrown away. */
  async discard(prefixes: readonly string[]): Promise<void> {
    await this.#send({ order: "discard", prefixes: [...prefixes] });
  }

  async remove(prefix: string): Promise<void> {
    await this.#send({ order: "remove", prefix });
  }

  /** Rates hold for connections made from now on. */
  async faults(faults: Faults): Promise<void> {
    await this.#send({ order: "faults", faults });
  }

  /** What was asked since the last call. */
  async counts(): Promise<Count[]> {
    return Counted.parse(await this.#send({ order: "counts" }));
  }

  stop(): Promise<void> {
    return this.child.stop();
  }
}

/** Sends numbered orders, and resolves each with the answer of its number. */
function sender(child: Child, channel: ChildProcess): Send {
  const waiting = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>();
  channel.on("message", (message) => {
    const { id, answer, problem } = Done.parse(message);
    const waiter = waiting.get(id);
    waiting.delete(id);
    if (problem === undefined) waiter?.resolve(answer);
    else waiter?.reject(new Error(problem));
  });
  void child.exited.then((how) => {
    for (const { reject } of waiting.values()) reject(new Error(`${child.name} ended (${how}); see ${child.logFile}`));
  });
  let count = 0;
  return (order) => {
    const id = ++count;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    waiting.set(id, { resolve, reject });
    channel.send({ id, order });
    return promise;
  };
}
