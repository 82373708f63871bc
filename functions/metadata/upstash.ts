/**
 * Redis through @upstash/redis, made strict. The client's own defaults are not safe here:
 * - it sends again after a failure, up to six times (`retry: { retries: 0 }` alone stops that);
 * - a plain AbortSignal makes a timed-out call resolve, as if Redis had answered nil (a function that makes signals throws);
 * - it turns texts that look like numbers into numbers (`automaticDeserialization: false`), and answers it can't decode into nil
 *   (`responseEncoding: false`: plain JSON, which our texts survive);
 * - the text of its errors holds the whole command with its values, so no error of it leaves this file.
 */
import { errors, Redis } from "@upstash/redis/cloudflare";
import { type Command, parseReply, type RedisCommands, type Reply, unavailable } from "./commands.ts";

/** How often a call is sent at most, the first time included. Only a connection that broke is tried again, at once. */
const SENDS_MAX = 2;

/** What an @upstash/redis client offers us: one EVAL, and a pipeline of any commands, answered as it came. */
type UpstashClient = {
  eval(script: string, keys: string[], args: (string | number)[]): Promise<unknown>;
  send(commands: readonly Command[]): Promise<unknown>;
};

class RestClient extends Redis {
  send(commands: readonly Command[]): Promise<unknown> {
    return this.client.request({ path: ["pipeline"], body: commands });
  }
}

/** @param timeoutMs how long one HTTP request may take, its body included; a call takes twice that at most */
export function upstashCommands(options: { url: string; token: string; timeoutMs: number }): RedisCommands {
  const { url, token, timeoutMs } = options;
  const client = new RestClient({
    url,
    token,
    automaticDeserialization: false,
    responseEncoding: false,
    retry: { retries: 0 },
    enableAutoPipelining: false,
    enableTelemetry: false,
    signal: () => AbortSignal.timeout(timeoutMs),
  });
  return strictCommands(client, timeoutMs);
}

/** The port on any @upstash/redis client, also one with a requester of its own. */
export function strictCommands(client: UpstashClient, timeoutMs: number): RedisCommands {
  return {
    pipeline: async (commands) => {
      if (commands.length === 0) return [];
      return repliesTo(commands.length, await clearly(() => client.send(commands), timeoutMs));
    },
    script: async (script, keys, args) => parseReply(await clearly(() => client.eval(script, [...keys], [...args]), timeoutMs)),
  };
}

/** The answer, or INDEX_UNAVAILABLE. */
async function clearly<T>(send: () => Promise<T>, timeoutMs: number): Promise<T> {
  for (let sent = 1; ; sent++) {
    try {
      return await send();
    } catch (error) {
      const problem = problemOf(error, timeoutMs);
      if (problem !== null || sent === SENDS_MAX) throw unavailable(problem ?? "the connection failed");
    }
  }
}

/** What went wrong, in words of our own; null when the connection broke. */
function problemOf(error: unknown, timeoutMs: number): string | null {
  if (error instanceof errors.UpstashJSONParseError) return "its answer is not JSON";
  if (error instanceof errors.UpstashError) return `it refused the command (${kindOf(error.message)})`;
  if (error instanceof Error && error.name === "TimeoutError") return `no answer within ${timeoutMs} ms`;
  return null;
}

function repliesTo(count: number, answer: unknown): Reply[] {
  if (!Array.isArray(answer) || answer.length !== count) throw unavailable("its answer to a pipeline can't be read");
  return answer.map((item: unknown) => {
    if (typeof item !== "object" || item === null) throw unavailable("its answer to a pipeline can't be read");
    if ("error" in item && item.error !== undefined) throw unavailable(`it refused a command (${kindOf(String(item.error))})`);
    return parseReply("result" in item ? item.result : undefined);
  });
}

/** Redis's word for a kind of error, such as OOM or READONLY; nothing of what follows it. */
function kindOf(message: string): string {
  return /^[A-Z]{2,20}(?![\w])/.exec(message)?.[0] ?? "unknown";
}
