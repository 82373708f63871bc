/**
 * F34 and I15 of reference/safety.md: an index that was rebuilt from the bucket alone, beside the living one on the same Redis, and where
 * the two differ. Logs' indexes must be equal key by key, field by field. Of the chunk index, which holds hints, both must know the same
 * chunks that living revisions name; an entry may name another of a chunk's places, when two pushes raced, but only a real one; and a
 * holder that purged it since, as long as a clone keeps that very place alive.
 */
import { Redis } from "ioredis";
import { parseConfig } from "../../functions/config.ts";
import { connect, realWorld } from "../../functions/connect.ts";
import { decodeChunk } from "../../functions/metadata/codec.ts";
import { packDigest } from "../../functions/metadata/packing.ts";
import { nodeHasher } from "../../functions/node/hasher.ts";
import { tcpCommands } from "../../functions/node/redis-tcp.ts";
import { readEnvelope } from "../../functions/registry/envelopes.ts";
import type { Ports } from "../../functions/registry/ports.ts";
import { startRebuild, stepRebuild } from "../../functions/registry/recovery/rebuild.ts";
import type { RebuildRun } from "../../shared/contract/recovery.ts";
import type { TestStack } from "./stack.ts";

/** `redisUrl`: where the living index is now; left out: the stack's own Redis. */
export type DiffOptions = { stack: TestStack; redisUrl?: string };

export type IndexDiff = {
  /** Empty: the two are equal; else the first of them. */
  differences: string[];
  /** Keys of logs' indexes, and chunks, that were compared. */
  keys: number;
  chunks: number;
  /** Chunks whose entries name two places, both real. */
  otherPlaces: number;
  /** Entries of chunks that no living revision names any more: collection's to forget. */
  unnamed: number;
  seconds: number;
  run: RebuildRun;
};

const LIVING = "mf:1:";
const TOLD_MAX = 5;
let generations = 0;

/** Rebuilds the living index where it lacks hints, then another one from nothing, and compares. Nobody may write meanwhile. */
export async function diffWithRebuilt({ stack, redisUrl = stack.redis.url }: DiffOptions): Promise<IndexDiff> {
  const commands = tcpCommands({ url: redisUrl, timeoutMs: 20_000 });
  const raw = new Redis(redisUrl);
  raw.on("error", () => undefined);
  const generation = `diff${++generations}`;
  try {
    const open = async (GENERATION: string) =>
      (
        await connect(
          parseConfig({ ...stack.vars, REDIS_URL: redisUrl, GENERATION }),
          commands,
          realWorld(() => {}, nodeHasher),
        )
      ).ports;
    await rebuild(await open("1"));
    const startedMs = performance.now();
    const ports = await open(generation);
    const run = await rebuild(ports);
    const seconds = (performance.now() - startedMs) / 1000;
    const [living, rebuilt] = [await contentOf(raw, LIVING), await contentOf(raw, `mf:${generation}:`)];
    return { ...compare(living, rebuilt, await placesOf(ports)), seconds, run };
  } finally {
    for (const key of await raw.keys(`mf:${generation}:*`)) await raw.del(key);
    raw.disconnect();
    commands.close();
  }
}

async function rebuild(ports: Ports): Promise<RebuildRun> {
  let { run } = await startRebuild(ports);
  while (run !== null && run.phase !== "done") ({ run } = await stepRebuild(ports));
  if (run === null) throw new Error("the index remembers no rebuild");
  return run;
}

type Content = { logs: Map<string, Map<string, string>>; chunks: Map<string, string> };

/** Keys without their generation; of sets, members as fields. */
async function contentOf(raw: Redis, prefix: string): Promise<Content> {
  const content: Content = { logs: new Map(), chunks: new Map() };
  for (const full of (await raw.keys(`${prefix}*`)).sort()) {
    const key = full.slice(prefix.length);
    if (key.startsWith("chunks:")) for (const [field, value] of Object.entries(await raw.hgetall(full))) content.chunks.set(field, value);
    if (!/^(sys|repo:)/.test(key)) continue;
    const isHash = (await raw.type(full)) === "hash";
    const fields = isHash ? await raw.hgetall(full) : Object.fromEntries((await raw.zrange(full, "0", "-1")).map((name) => [name, ""]));
    // Until where a replay was asked to go; reached by both.
    delete fields["replayTo"];
    content.logs.set(key, new Map(Object.entries(fields)));
  }
  return content;
}

/** Where living revisions have each chunk: `<tag> <holder>`, by digest as the index spells it. */
async function placesOf(ports: Ports): Promise<Map<string, Set<string>>> {
  const places = new Map<string, Set<string>>();
  const repositories = [...(await ports.system.listRepositories({ limit: 1000 })), ...(await ports.system.listTrash({ limit: 1000 }))];
  for (const { id } of repositories) {
    for (const { manifest, attempt } of await ports.repositories.listRevisions(id, { limit: 3_000 })) {
      for (const [sha256, { tag }] of (await readEnvelope(ports, manifest, attempt)).places) {
        const field = packDigest(sha256);
        places.set(field, (places.get(field) ?? new Set()).add(`${tag} ${id}`));
      }
    }
  }
  return places;
}

function compare(living: Content, rebuilt: Content, places: Map<string, Set<string>>) {
  const differences: string[] = [];
  for (const key of new Set([...living.logs.keys(), ...rebuilt.logs.keys()])) {
    const [a, b] = [living.logs.get(key) ?? new Map(), rebuilt.logs.get(key) ?? new Map()];
    // An index that was begun for a log without records: nobody made that repository.
    if (!rebuilt.logs.has(key) && isEmptyIndex(living, key)) continue;
    for (const field of new Set([...a.keys(), ...b.keys()])) {
      if (a.get(field) !== b.get(field)) differences.push(`${key} ${field}: ${a.get(field)} and ${b.get(field)}`);
    }
  }
  let [otherPlaces, unnamed] = [0, 0];
  for (const field of new Set([...living.chunks.keys(), ...rebuilt.chunks.keys(), ...places.keys()])) {
    const real = places.get(field);
    const [a, b] = [placeIn(living.chunks.get(field)), placeIn(rebuilt.chunks.get(field))];
    if (real === undefined && b === null) unnamed++;
    else if (a === null || b === null || real === undefined || !isPlace(real, a) || !real.has(b))
      differences.push(`chunk ${field}: ${a} and ${b}`);
    else if (a !== b) otherPlaces++;
  }
  return { differences: differences.slice(0, TOLD_MAX), keys: rebuilt.logs.size, chunks: places.size, otherPlaces, unnamed };
}

/** By its tag: the place is real, whoever holds it. */
function isPlace(real: ReadonlySet<string>, place: string): boolean {
  const [tag = ""] = place.split(" ");
  return [...real].some((each) => each.startsWith(tag));
}

function isEmptyIndex(content: Content, key: string): boolean {
  const [kind, id] = key.split(":");
  return kind === "repo" && content.logs.get(`repo:${id}`)?.get("seq") === "0";
}

function placeIn(text: string | undefined): string | null {
  const entry = text === undefined ? null : decodeChunk(text);
  return entry === null ? null : `${entry.tag} ${entry.holder}`;
}
