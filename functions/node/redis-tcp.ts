/**
 * Redis by TCP for the Node server: @upstash/redis with a requester over ioredis, so that both homes of the app run the same adapters.
 * Any Redis from 6.2 on, or Valkey: Upstash's flag in the first line of scripts, which they refuse, is taken off here.
 */
import { Redis, type Requester } from "@upstash/redis";
import { Redis as TcpRedis } from "ioredis";
import type { Command, RedisCommands } from "../metadata/commands.ts";
import { strictCommands } from "../metadata/upstash.ts";

/** What both kinds of request of the client look like: `["EVAL", …]`, or a list of such under the path `pipeline`. */
type Request = { path?: string[]; body?: unknown };
type Answer = { result: unknown } | { error: string };

class TcpClient extends Redis {
  constructor(requester: Requester) {
    super(requester);
    // The constructor for requesters takes no options, and the default turns texts that look like numbers into numbers.
    this.opts = { automaticDeserialization: false };
  }

  send(commands: readonly Command[]): Promise<unknown> {
    return this.client.request({ path: ["pipeline"], body: commands });
  }
}

/**
 * @param url redis:// or rediss://, with password and database as ioredis reads them
 * @param timeoutMs how long a command may take, waiting for the connection included
 */
export function tcpCommands(options: { url: string; timeoutMs: number }): RedisCommands & { close(): void } {
  const { url, timeoutMs } = options;
  const connection = new TcpRedis(url, {
    commandTimeout: timeoutMs,
    connectTimeout: timeoutMs,
    maxRetriesPerRequest: 1,
    // Reconnects for as long as the server lives: 50 ms after the first failure, a second apart at most.
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 5), 1000),
  });
  // Each call reports its own failure; without a listener ioredis prints every failed attempt to connect.
  connection.on("error", () => undefined);
  // The client says for each request what it expects; that is checked by strictCommands, and can't be known here.
  const client = new TcpClient({ request: (request: Request) => answer(connection, request) as never });
  return { ...strictCommands(client, timeoutMs), close: () => connection.disconnect() };
}

/** The client sends on what strictCommands gave it, so a body is one command, or a pipeline's list of them. */
async function answer(connection: TcpRedis, request: Request): Promise<Answer | Answer[]> {
  if (request.path?.[0] !== "pipeline") return (await answers(connection, [request.body as Command]))[0] ?? { error: "unknown" };
  return answers(connection, request.body as readonly Command[]);
}

async function answers(connection: TcpRedis, commands: readonly Command[]): Promise<Answer[]> {
  const replies = await connection.pipeline(commands.map((command) => ["call", ...withoutFlag(command)])).exec();
  return (replies ?? []).map(([error, result]) => {
    if (error === null) return { result };
    if (error.name === "ReplyError") return { error: error.message };
    throw error.message === "Command timed out" ? new DOMException(error.message, "TimeoutError") : error;
  });
}

function withoutFlag(command: Command): Command {
  const [name, script, ...rest] = command;
  if (String(name).toUpperCase() !== "EVAL" || typeof script !== "string") return command;
  return [String(name), script.replace(/^#!lua flags=allow-key-locking(?=\n)/, ""), ...rest];
}
