/** What the index costs: commands for a page of chunks (a managed Redis bills each), and memory for an entry. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Command, RedisCommands } from "../../functions/metadata/commands.ts";
import { redisIndexes } from "../../functions/metadata/indexes.ts";
import { REVISIONS_MAX } from "../../functions/registry/records.ts";
import { Digest } from "../../shared/digest.ts";
import * as record from "../support/chain.ts";
import { digestOf, hex, repositoryChain, repositoryIdOf } from "../support/chain.ts";
import { chunkEntry, proofOf, UPLOAD } from "../support/index-values.ts";
import { type RedisIndexes, startRedisIndexes } from "../support/redis-indexes.ts";
import { whyNoRedis } from "../support/stack.ts";

const ENTRY_BYTES_MAX = 130;
const ENTRIES = 100_000;
/** Of a revision with a short message, two labels and a metric: its entry, two places in the order, its envelope's fate. */
const REVISION_BYTES_MAX = 1_500;

/** Passes everything on, and keeps what went by. */
class CountedCommands implements RedisCommands {
  readonly pipelines: (readonly Command[])[] = [];
  readonly scripts: Command[] = [];
  readonly #commands: RedisCommands;

  constructor(commands: RedisCommands) {
    this.#commands = commands;
  }

  pipeline(commands: readonly Command[]) {
    this.pipelines.push(commands);
    return this.#commands.pipeline(commands);
  }

  script(script: string, keys: readonly string[], args: Command) {
    this.scripts.push(args);
    return this.#commands.script(script, keys, args);
  }
}

describe("what the index costs", { skip: whyNoRedis() }, () => {
  let parts: RedisIndexes;
  before(async () => {
    parts = await startRedisIndexes();
  });
  after(() => parts?.stop());

  for (const count of [1, 500, 10_000]) {
    test(`${count} chunks are looked for and added with 16 commands at most, and forgotten with 32, in one call each`, async (t) => {
      const commands = new CountedCommands(parts.rest);
      const { chunks } = redisIndexes({ commands, generation: `cost${count}` });
      const entries = Array.from({ length: count }, (_, at) => chunkEntry(`${count} ${at}`));
      await chunks.add(entries);
      const found = await chunks.find(entries.map(({ sha256 }) => sha256));
      assert.equal(found.filter((entry) => entry !== null).length, count);
      await chunks.remove(entries);
      assert.ok((await chunks.find(entries.map(({ sha256 }) => sha256))).every((entry) => entry === null));
      const sizes = commands.pipelines.map((pipeline) => pipeline.length);
      // add, find, remove (which looks first), find
      assert.deepEqual([sizes.length, commands.scripts.length], [5, 0]);
      for (const size of sizes) assert.ok(size <= 16, `${size} commands`);
      t.diagnostic(`add ${sizes[0]}, find ${sizes[1]}, remove ${(sizes[2] ?? 0) + (sizes[3] ?? 0)} commands`);
    });
  }

  test("however digests fall, no command has more than 4,000 fields", async () => {
    const commands = new CountedCommands(parts.tcp);
    const { chunks } = redisIndexes({ commands, generation: "skewed" });
    const digests = Array.from({ length: 40_000 }, (_, at) => Digest.parse(`a${hex(`skewed ${at}`, 63)}`));
    await chunks.add(digests.map((sha256) => ({ ...chunkEntry("any"), sha256 })));
    const found = await chunks.find(digests);
    assert.ok(found.every((entry) => entry !== null));
    const lengths = commands.pipelines.flat().map(([name, , ...fields]) => fields.length / (name === "HSET" ? 2 : 1));
    assert.equal(lengths.length, 20);
    assert.ok(Math.max(...lengths) <= 4_000);
  });

  test("no script unpacks more than 4,000 items, however large the upload", async () => {
    const commands = new CountedCommands(parts.tcp);
    const { uploads } = redisIndexes({ commands, generation: "large" });
    const digests = Array.from({ length: 9_000 }, (_, at) => digestOf(`large ${at}`));
    await uploads.record(UPLOAD, new Map(digests.map((digest) => [digest, proofOf("any")] as const)));
    await uploads.addRecipes(UPLOAD, digests);
    assert.deepEqual(await uploads.missingRecipes(UPLOAD, digests), []);
    assert.ok((await uploads.proofs(UPLOAD, digests)).every((proof) => proof !== null));
    assert.ok(Math.max(...commands.scripts.map((args) => args.length)) <= 4_001);
  });

  test("a record is one script, and what runs inside does not grow with the revisions it names", async (t) => {
    const commands = new CountedCommands(parts.tcp);
    const { repositories } = redisIndexes({ commands, generation: "records" });
    const id = repositoryIdOf("team/llama");
    const seeds = Array.from({ length: REVISIONS_MAX }, (_, at) => `r${at}`);
    const chain = repositoryChain();
    for (const seed of seeds) await chain.add(record.commit(id, "main", seed));
    for (const { record: commit, hash } of chain.entries) {
      if (commit.seq === 1) await repositories.begin(id, seeds.length);
      await repositories.apply(commit, hash);
    }
    assert.equal(commands.scripts.length, seeds.length + 1);
    const bodies = [
      record.commit(id, "main", "last"),
      record.tag(id, "v1", "last"),
      record.lock(id, "v1"),
      record.label(id, "last", "another"),
      record.settings(id, { retention: { keepLast: 3 } }),
      record.trash(id, ...seeds),
      record.untrash(id, ...seeds),
      record.trash(id, ...seeds),
      record.purge(id, ...seeds),
      record.end(id),
    ];
    for (const body of bodies) {
      const entry = await chain.add(body);
      commands.scripts.length = 0;
      await parts.raw.config("RESETSTAT");
      await repositories.apply(entry.record, entry.hash);
      const inside = await commandsRun(parts.raw);
      assert.equal(commands.scripts.length, 1, body.op);
      assert.ok(inside <= 20, `${body.op}: ${inside} commands`);
      const named = "revisions" in body ? ` of ${body.revisions.length} revisions` : "";
      t.diagnostic(`${body.op}${named}: 1 script, ${inside} commands inside`);
    }
  });

  test("how much room a revision takes", async (t) => {
    const { repositories, prefix } = parts.open(parts.tcp);
    const id = repositoryIdOf("team/llama");
    const chain = repositoryChain();
    await repositories.begin(id, 0);
    for (let at = 0; at < 1_000; at++) {
      const entry = await chain.add(record.commit(id, "main", `r${at}`));
      await repositories.apply(entry.record, entry.hash);
    }
    // Of all fields: a sample misjudges a hash of long and short ones.
    const usage = (key: string) => parts.raw.call("MEMORY", "USAGE", key, "SAMPLES", "0");
    const sizes = await Promise.all(["", ":revisions", ":order"].map(async (part) => Number(await usage(`${prefix}repo:${id}${part}`))));
    const revisionBytes = sizes.reduce((sum, size) => sum + size, 0) / 1_000;
    t.diagnostic(`${revisionBytes.toFixed(0)} bytes a revision`);
    assert.ok(revisionBytes <= REVISION_BYTES_MAX, `${revisionBytes} bytes`);
  });

  test(`an entry of the chunk index takes ${ENTRY_BYTES_MAX} bytes at most`, async (t) => {
    const { chunks, prefix } = parts.open(parts.tcp);
    const used = async () => Number(/used_memory:(\d+)/.exec(await parts.raw.info("memory"))?.[1]);
    const beforeBytes = await used();
    for (let from = 0; from < ENTRIES; from += 20_000) {
      await chunks.add(Array.from({ length: 20_000 }, (_, at) => ({ ...chunkEntry(`entry ${from + at}`), holder: repositoryIdOf("one") })));
    }
    const shards = await Promise.all([..."0123456789abcdef"].map((digit) => parts.raw.hlen(`${prefix}chunks:${digit}`)));
    assert.equal(
      shards.reduce((sum, length) => sum + length, 0),
      ENTRIES,
    );
    const entryBytes = ((await used()) - beforeBytes) / ENTRIES;
    t.diagnostic(`${entryBytes.toFixed(1)} bytes an entry`);
    assert.ok(entryBytes <= ENTRY_BYTES_MAX, `${entryBytes} bytes`);
  });
});

/** Commands that Redis ran since its counters were reset, but for the script itself and what asks here. */
async function commandsRun(raw: RedisIndexes["raw"]): Promise<number> {
  const calls = [...(await raw.info("commandstats")).matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)];
  const own = ["eval", "config", "config|resetstat", "info"];
  return calls.reduce((sum, [, name = "", count]) => sum + (own.includes(name) ? 0 : Number(count)), 0);
}
