/** Scanning envelopes: the first scan reads all of them, the second those that were written since the first began. */
import type { CollectRun } from "../../../shared/contract/collect.ts";
import { toHex } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { ENVELOPE_PREFIX, type EnvelopeName, envelopeOfKey } from "../layout.ts";
import { pooled, STORE_WIDTH } from "../pool.ts";
import type { ObjectInfo, Ports } from "../ports.ts";
import { decodeRecord, Envelope } from "../records.ts";
import { judge, type Verdict } from "./judge.ts";
import { LiveChunks } from "./work.ts";

/** What a step may hold in memory: 16 bytes each, twice while sorted. */
const LIVE_CHUNKS_MAX = 1_000_000;
const PAGE = 100;
const CANARIES = 20;
/** A run names at most this many dead envelopes in its state; more wait for the next. */
const DEAD_MAX = 10_000;

/** The first scan, from the state's cursor until the time is up. Moves on to `sift` at the end. */
export async function scanStep(ports: Ports, state: CollectRun, deadlineMs: number): Promise<CollectRun> {
  const youngerThanMs = (state.scanFromMs ?? 0) - ports.margins.pendingMs;
  const found: Found = { live: new LiveChunks(state), pending: new LiveChunks(state) };
  let next = state;
  for (let done = false; !done; ) {
    const page = await envelopePage(ports, next.cursor);
    const judged = await pooled(await readEnvelopes(ports, page.objects), STORE_WIDTH, async ({ key, name, envelope, modifiedAtMs }) => {
      const verdict = await judge(ports, { ...name, repositoryId: envelope.repositoryId, modifiedAtMs }, youngerThanMs);
      return { key, envelope, verdict };
    });
    for (const each of judged) next = withVerdict(ports, next, found, each);
    const last = page.objects.at(-1)?.key ?? null;
    done = !page.more;
    next = { ...next, envelopes: next.envelopes + page.objects.length, cursor: done ? null : last };
    if (found.live.count + found.pending.count >= LIVE_CHUNKS_MAX || ports.clock.now() >= deadlineMs) break;
  }
  const name = toHex(ports.random.bytes(8));
  await found.live.write(ports.stores.home.bucket, state.run, "live", name);
  await found.pending.write(ports.stores.home.bucket, state.run, "pending", name);
  return next.cursor === null ? { ...next, phase: "sift", part: 0 } : { ...next, part: state.part + 1 };
}

/** The second scan. All that was written since the first began is a root: a writer may be about to commit it. */
export async function rescanStep(ports: Ports, state: CollectRun, deadlineMs: number): Promise<CollectRun> {
  const sinceMs = (state.scanFromMs ?? 0) - ports.margins.skewMs;
  const live = new LiveChunks(state);
  let cursor = state.cursor;
  for (let done = false; !done; ) {
    const page = await envelopePage(ports, cursor);
    const written = page.objects.filter(({ modifiedAtMs }) => modifiedAtMs >= sinceMs);
    for (const { envelope } of await readEnvelopes(ports, written)) for (const [sha256, , tag] of envelope.placement) live.add(sha256, tag);
    done = !page.more;
    cursor = done ? null : (page.objects.at(-1)?.key ?? null);
    if (live.count >= LIVE_CHUNKS_MAX || ports.clock.now() >= deadlineMs) break;
  }
  await live.write(ports.stores.home.bucket, state.run, "again", toHex(ports.random.bytes(8)));
  return cursor === null ? { ...state, phase: "final", cursor: null, part: 0 } : { ...state, cursor, part: state.part + 1 };
}

type Found = { live: LiveChunks; pending: LiveChunks };
type Judged = { key: string; envelope: Envelope; verdict: Verdict };

function withVerdict(ports: Ports, state: CollectRun, found: Found, { key, envelope, verdict }: Judged): CollectRun {
  // A dead envelope that this run has no room to name stays, and so its chunks must stay.
  if (verdict === "dead" && state.deadEnvelopes.length < DEAD_MAX) return { ...state, deadEnvelopes: [...state.deadEnvelopes, key] };
  const into = verdict === "named" ? found.live : found.pending;
  for (const [sha256, , tag] of envelope.placement) into.add(sha256, tag);
  if (verdict !== "named") return state;
  const roots = state.roots + 1;
  return {
    ...state,
    roots,
    rootChunks: state.rootChunks + envelope.placement.length,
    canaries: sampled(ports, state.canaries, key, roots),
  };
}

/** Keeps each of `seen` roots with the same chance. */
function sampled(ports: Ports, canaries: readonly string[], key: string, seen: number): string[] {
  if (canaries.length < CANARIES) return [...canaries, key];
  const [a = 0, b = 0, c = 0, d = 0] = ports.random.bytes(4);
  const at = (((a << 24) | (b << 16) | (c << 8) | d) >>> 0) % seen;
  return at < CANARIES ? canaries.map((kept, index) => (index === at ? key : kept)) : [...canaries];
}

async function envelopePage(ports: Ports, after: string | null) {
  return ports.stores.home.bucket.list(ENVELOPE_PREFIX, { limit: PAGE, ...(after === null ? {} : { after }) });
}

type Read = { key: string; name: EnvelopeName; envelope: Envelope; modifiedAtMs: number };

/** An envelope that can't be read stops the run: to skip it would make its chunks garbage. One that is gone since the listing is no root. */
export async function readEnvelopes(ports: Ports, objects: readonly ObjectInfo[]): Promise<Read[]> {
  const read = await pooled(objects, STORE_WIDTH, async ({ key, modifiedAtMs }): Promise<Read | null> => {
    const bytes = await ports.stores.home.bucket.get(key);
    if (bytes === null) return null;
    return { key, name: nameOf(key), envelope: decodeRecord(Envelope, bytes, key), modifiedAtMs };
  });
  return read.filter((envelope) => envelope !== null);
}

function nameOf(key: string): EnvelopeName {
  try {
    return envelopeOfKey(key);
  } catch (cause) {
    throw new FerryError("COLLECT_REFUSED", { problem: `${key} has no business there` }, { cause });
  }
}
