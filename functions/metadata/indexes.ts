/** All index ports on one Redis. */
import type { StoreId } from "../../shared/names.ts";
import { RedisMeters, RedisShortTokens, RedisTokenUses } from "./access.ts";
import { RedisBoards } from "./agents.ts";
import { RedisChunkIndex } from "./chunks.ts";
import type { RedisCommands } from "./commands.ts";
import { RedisCounters } from "./counters.ts";
import { RedisEvents } from "./events.ts";
import { RedisDeliveries } from "./hooks.ts";
import { RedisReplicaJobs } from "./jobs.ts";
import { keysOf } from "./keys.ts";
import { RedisLeases } from "./leases.ts";
import { RedisNotes } from "./notes.ts";
import { RedisRepositoryIndex } from "./repositories.ts";
import { RedisSystemIndex } from "./system.ts";
import { RedisUploads } from "./uploads.ts";

/** @param generation letters and digits: the name of this index among those that the same Redis holds. */
export function redisIndexes({ commands, generation }: { commands: RedisCommands; generation: string }) {
  const keys = keysOf(generation);
  return {
    system: new RedisSystemIndex(commands, keys),
    repositories: new RedisRepositoryIndex(commands, keys),
    chunks: new RedisChunkIndex(commands, keys),
    chunksAt: (store: StoreId) => new RedisChunkIndex(commands, { ...keys, chunks: (digit) => keys.chunksOf(store, digit) }),
    jobs: new RedisReplicaJobs(commands, keys),
    events: new RedisEvents(commands, keys),
    counters: new RedisCounters(commands, keys),
    deliveries: new RedisDeliveries(commands, keys),
    uploads: new RedisUploads(commands, keys),
    leases: new RedisLeases(commands, keys),
    notes: new RedisNotes(commands, keys),
    boards: new RedisBoards(commands, keys),
    uses: new RedisTokenUses(commands, keys),
    shortTokens: new RedisShortTokens(commands, keys),
    meters: new RedisMeters(commands, keys),
  };
}
