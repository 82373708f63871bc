/** What stands between the adapters and the network, and counts what goes by. */
import type { Command, RedisCommands, Reply } from "./metadata/commands.ts";
import type { OperationClass, Traffic } from "./registry/traffic.ts";
import { ownPlace, type S3Profile } from "./storage/profile.ts";

export function meteredCommands(commands: RedisCommands, traffic: Traffic): RedisCommands {
  return {
    pipeline: (list) =>
      traffic.askIndex({ commands: list.length, bytes: sum(list, lengthOf) }, () => commands.pipeline(list), lengthOfReply),
    script: (script, keys, args) =>
      traffic.askIndex(
        { commands: 1, bytes: script.length + lengthOf(keys) + lengthOf(args) },
        () => commands.script(script, keys, args),
        lengthOfReply,
      ),
  };
}

/** Requests to no store of ours (identity providers) go by uncounted. Of stores that share a bucket the first is counted. */
export function meteredFetch(plain: typeof fetch, profiles: readonly S3Profile[], traffic: Traffic): typeof fetch {
  const buckets = profiles.map((profile) => {
    const { origin, path } = ownPlace({ ...profile, prefix: "" });
    return { id: profile.id, start: `${origin}${path.slice(0, -1)}` };
  });
  return (input, init) => {
    const url = typeof input === "string" ? input : input instanceof URL ? input.href : input.url;
    const store = buckets.find(({ start }) => url.startsWith(start) && /^(?:[/?]|$)/.test(url.slice(start.length, start.length + 1)));
    const ask = () => plain(input, init);
    return store === undefined ? ask() : traffic.askStore(store.id, classOf(init?.method ?? "GET", url), ask);
  };
}

/** Deleting many is a POST, and free as deleting one; listing is billed as writing. */
export function classOf(method: string, url: string): OperationClass {
  if (method === "DELETE") return "free";
  if (method === "POST" && /[?&]delete(?:[=&]|$)/.test(url)) return "free";
  if (method === "GET") return /[?&]list-type=/.test(url) ? "A" : "B";
  return method === "HEAD" ? "B" : "A";
}

/** As UTF-16 units, which nearly all of it has one byte for. */
function lengthOf(command: Command | readonly string[]): number {
  return sum(command, (word) => (typeof word === "string" ? word.length : 8));
}

function lengthOfReply(reply: Reply): number {
  if (typeof reply === "string") return reply.length;
  return isList(reply) ? sum(reply, lengthOfReply) : 8;
}

function isList(reply: Reply): reply is readonly Reply[] {
  return Array.isArray(reply);
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += of(item);
  return total;
}
