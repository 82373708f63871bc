/** A real redis-server for the tests of one file, the index ports on it by both ways, and a hand on its raw keys. */
import { Redis } from "ioredis";
import type { RedisCommands } from "../../functions/metadata/commands.ts";
import { redisIndexes } from "../../functions/metadata/indexes.ts";
import { upstashCommands } from "../../functions/metadata/upstash.ts";
import { tcpCommands } from "../../functions/node/redis-tcp.ts";
import { startTestBridge, startTestRedis } from "./stack.ts";

const TIMEOUT_MS = 20_000;

export async function startRedisIndexes() {
  const redis = await startTestRedis();
  const bridge = await startTestBridge(redis.url);
  const tcp = tcpCommands({ url: redis.url, timeoutMs: TIMEOUT_MS });
  const rest = upstashCommands({ ...bridge, timeoutMs: TIMEOUT_MS });
  const raw = new Redis(redis.url);
  raw.on("error", () => undefined);
  let generations = 0;
  return {
    redis,
    tcp,
    rest,
    /** The server itself, for what no port offers. */
    raw,
    /** Empty indexes in a generation of their own; `prefix` begins all their keys. */
    open(commands: RedisCommands) {
      const generation = `test${++generations}`;
      const prefix = `mf:${generation}:`;
      const loseKey = async (key: string) => {
        if ((await raw.del(prefix + key)) !== 1) throw new RangeError(`there is no key ${key}`);
      };
      return { ...redisIndexes({ commands, generation }), loseKey, generation, prefix };
    },
    async stop() {
      tcp.close();
      raw.disconnect();
      await bridge.stop();
      await redis.stop();
    },
  };
}

export type RedisIndexes = Awaited<ReturnType<typeof startRedisIndexes>>;
