/**
 * One pipelined connection to a Redis, shared by everybody. It connects when a call needs it, so a Redis that went away and came back
 * is found by the next call; calls that were under way when it went fail, because nobody can say whether they were carried out.
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { type Command, encodeCommands, type Reply, ReplyError, ReplyParser } from "./resp.ts";

export type RedisConnectionOptions = {
  /** `redis://[user:password@]host:port[/database]`, or `rediss://` for TLS. */
  url: string;
  connectTimeoutMs?: number;
  /** How long Redis may leave the oldest call unanswered before the connection is given up. */
  replyTimeoutMs?: number;
  /** Bytes that may wait to be sent; beyond them calls are refused. */
  backlogMaxBytes?: number;
};

/** Redis can't be reached, went away, or is too slow. The calls under way may or may not have been carried out. */
export class RedisUnavailable extends Error {
  constructor(problem: string, options?: { cause?: unknown }) {
    super(`redis is not available: ${problem}`, options);
    this.name = "RedisUnavailable";
  }
}

type Call = { left: number; replies: Reply[]; resolve: (replies: Reply[]) => void; reject: (error: Error) => void };
type Link = { socket: Socket; calls: Call[]; timer: NodeJS.Timeout | null };

const CONNECT_TIMEOUT_MS = 2_000;
const REPLY_TIMEOUT_MS = 20_000;
const BACKLOG_MAX_BYTES = 128 * 1024 * 1024;

export class RedisConnection {
  readonly #options: RedisConnectionOptions;
  #link: Link | null = null;
  #connecting: Promise<Link> | null = null;
  #closed = false;

  constructor(options: RedisConnectionOptions) {
    this.#options = options;
  }

  /**
   * Sends `commands` in one write, so that nobody's commands come between them, and answers with one reply each (a ReplyError is a
   * reply). Throws RedisUnavailable.
   */
  async send(commands: readonly Command[]): Promise<Reply[]> {
    if (commands.length === 0) return [];
    const link = this.#link?.socket.destroyed === false ? this.#link : await this.#connectOnce();
    if (link.socket.writableLength > (this.#options.backlogMaxBytes ?? BACKLOG_MAX_BYTES))
      throw new RedisUnavailable("too much is waiting");
    return this.#sendOn(link, commands);
  }

  /** Ends the connection; calls under way fail. */
  close(): void {
    this.#closed = true;
    this.#link?.socket.destroy();
  }

  #connectOnce(): Promise<Link> {
    if (this.#closed) return Promise.reject(new RedisUnavailable("the connection was closed"));
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = null;
    });
    return this.#connecting;
  }

  async #connect(): Promise<Link> {
    const url = new URL(this.#options.url);
    const link = await this.#open(url);
    const greeting = greetingOf(url);
    if (greeting.length > 0) {
      const refused = (await this.#sendOn(link, greeting)).find((reply) => reply instanceof ReplyError);
      if (refused !== undefined) {
        link.socket.destroy();
        throw new RedisUnavailable(refused.text);
      }
    }
    if (this.#closed || link.socket.destroyed) {
      link.socket.destroy();
      throw new RedisUnavailable("the connection was closed");
    }
    this.#link = link;
    return link;
  }

  #open(url: URL): Promise<Link> {
    const { promise, resolve, reject } = Promise.withResolvers<Link>();
    const where = { host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port || 6379) };
    const tls = url.protocol === "rediss:";
    const socket = tls ? connectTls({ ...where, servername: where.host }) : connectTcp(where);
    const link: Link = { socket, calls: [], timer: null };
    const timer = setTimeout(
      () => socket.destroy(new Error("no connection in time")),
      this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    );
    socket.setNoDelay(true).setKeepAlive(true, 30_000);
    socket.once(tls ? "secureConnect" : "connect", () => {
      clearTimeout(timer);
      resolve(link);
    });
    let problem = "the connection ended";
    socket.on("error", (error) => {
      problem = error.message;
    });
    socket.on("close", () => {
      clearTimeout(timer);
      reject(new RedisUnavailable(problem));
      this.#lost(link, problem);
    });
    this.#read(link);
    return promise;
  }

  #read(link: Link): void {
    const parser = new ReplyParser();
    link.socket.on("data", (bytes: Buffer) => {
      try {
        for (const reply of parser.push(bytes)) answer(link, reply);
      } catch (error) {
        link.socket.destroy(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      this.#watch(link);
    });
  }

  #sendOn(link: Link, commands: readonly Command[]): Promise<Reply[]> {
    if (link.socket.destroyed) return Promise.reject(new RedisUnavailable("the connection ended"));
    const { promise, resolve, reject } = Promise.withResolvers<Reply[]>();
    link.calls.push({ left: commands.length, replies: [], resolve, reject });
    link.socket.write(encodeCommands(commands));
    if (link.timer === null) this.#watch(link);
    return promise;
  }

  /** (Re)starts the clock of the oldest unanswered call. */
  #watch(link: Link): void {
    if (link.timer !== null) clearTimeout(link.timer);
    link.timer = null;
    if (link.calls.length === 0 || link.socket.destroyed) return;
    const timeoutMs = this.#options.replyTimeoutMs ?? REPLY_TIMEOUT_MS;
    link.timer = setTimeout(() => link.socket.destroy(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
  }

  #lost(link: Link, problem: string): void {
    if (this.#link === link) this.#link = null;
    if (link.timer !== null) clearTimeout(link.timer);
    for (const call of link.calls.splice(0)) call.reject(new RedisUnavailable(problem));
  }
}

/** Hands a reply to the oldest call that waits for one. */
function answer(link: Link, reply: Reply): void {
  const [call] = link.calls;
  if (call === undefined) throw new Error("a reply that nobody asked for");
  call.replies.push(reply);
  call.left -= 1;
  if (call.left > 0) return;
  link.calls.shift();
  call.resolve(call.replies);
}

/** What a new connection says first: who it is, and which database it means. */
function greetingOf(url: URL): Command[] {
  const greeting: Command[] = [];
  const user = decodeURIComponent(url.username);
  const password = decodeURIComponent(url.password);
  if (password !== "") greeting.push(user === "" ? ["AUTH", password] : ["AUTH", user, password]);
  const database = url.pathname.slice(1);
  if (database !== "" && database !== "0") greeting.push(["SELECT", database]);
  return greeting;
}
