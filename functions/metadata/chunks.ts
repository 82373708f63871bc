/**
 * The chunk index on Redis: one hash in 16 shards. A page of 500 chunks costs at most 16 commands however they fall, and a shard stays
 * below a managed Redis's 100 MB for a key up to some 10 million chunks in all.
 *
 * Only hints live here, so reads may come from a copy that lags, and a lost shard is not noticed: both cost uploads, never bytes.
 */
import type { Digest } from "../../shared/digest.ts";
import type { ChunkEntry, ChunkIndex } from "../registry/ports.ts";
import { decodeChunk, encodeChunk } from "./codec.ts";
import { answersTo, askMany, integerOf, type RedisCommands, textOrNull } from "./commands.ts";
import type { Keys } from "./keys.ts";
import { CHUNKS, ITEMS_MAX } from "./lua.ts";
import { packDigest } from "./packing.ts";

/** Chunks of one call to Redis (about 3 MB of a managed Redis's 10 MB); more go in further calls, one after another. */
const CALL_MAX = 32_000;

type Slice = { shard: string; at: number[] };

export class RedisChunkIndex implements ChunkIndex {
  readonly #commands: RedisCommands;
  readonly #keys: Keys;

  constructor(commands: RedisCommands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  async find(digests: readonly Digest[]): Promise<(ChunkEntry | null)[]> {
    const found = new Array<ChunkEntry | null>(digests.length).fill(null);
    for (const slices of callsOf(digests)) {
      const replies = await this.#commands.pipeline(
        slices.map(({ shard, at }) => ["HMGET", this.#keys.chunks(shard), ...at.map((index) => packDigest(digests[index] ?? ""))]),
      );
      slices.forEach(({ at }, slice) => {
        const values = answersTo(at.length, replies[slice]).map(textOrNull);
        at.forEach((index, position) => {
          const value = values[position] ?? null;
          found[index] = value === null ? null : decodeChunk(value);
        });
      });
    }
    return found;
  }

  async add(entries: readonly (ChunkEntry & { sha256: Digest })[]): Promise<void> {
    for (const slices of callsOf(entries.map((entry) => entry.sha256))) {
      const replies = await this.#commands.pipeline(
        slices.map(({ shard, at }) => ["HSET", this.#keys.chunks(shard), ...at.flatMap((index) => fieldOf(entries[index]))]),
      );
      replies.forEach(integerOf);
    }
  }

  async addMissing(entries: readonly (ChunkEntry & { sha256: Digest })[]): Promise<number> {
    let added = 0;
    for (const slices of callsOf(entries.map((entry) => entry.sha256))) {
      const questions = slices.map(({ shard, at }) => ({
        keys: [this.#keys.chunks(shard)],
        args: at.flatMap((index) => fieldOf(entries[index])),
      }));
      for (const reply of await askMany(this.#commands, CHUNKS.addMissing, questions)) added += integerOf(reply);
    }
    return added;
  }

  async clear(): Promise<void> {
    const shards = Array.from({ length: 16 }, (_, digit) => this.#keys.chunks(digit.toString(16)));
    const [reply] = await this.#commands.pipeline([["UNLINK", ...shards]]);
    integerOf(reply);
  }

  async remove(entries: readonly { sha256: Digest; tag: string }[]): Promise<void> {
    const found = await this.find(entries.map((entry) => entry.sha256));
    const stale = entries.filter((entry, at) => found[at]?.tag === entry.tag);
    for (const slices of callsOf(stale.map((entry) => entry.sha256))) {
      const replies = await this.#commands.pipeline(
        slices.map(({ shard, at }) => ["HDEL", this.#keys.chunks(shard), ...at.map((index) => packDigest(stale[index]?.sha256 ?? ""))]),
      );
      replies.forEach(integerOf);
    }
  }
}

function fieldOf(entry: (ChunkEntry & { sha256: Digest }) | undefined): string[] {
  return entry === undefined ? [] : [packDigest(entry.sha256), encodeChunk(entry)];
}

/** Which digests, by position, go into which command of which call. */
function callsOf(digests: readonly Digest[]): Slice[][] {
  const calls: Slice[][] = [];
  for (let from = 0; from < digests.length; from += CALL_MAX) {
    const open = new Map<string, Slice>();
    const slices: Slice[] = [];
    digests.slice(from, from + CALL_MAX).forEach((digest, offset) => {
      const shard = digest.charAt(0);
      let slice = open.get(shard);
      if (slice === undefined || slice.at.length === ITEMS_MAX) {
        slice = { shard, at: [] };
        open.set(shard, slice);
        slices.push(slice);
      }
      slice.at.push(from + offset);
    });
    calls.push(slices);
  }
  return calls;
}
