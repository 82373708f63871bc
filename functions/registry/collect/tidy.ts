/**
 * Forgetting runs that ended long ago. Their flags must outlive every upload that may still hold a `have` for one of their keys: so the
 * index is scrubbed of these keys once more, and the flags stay for longer than an upload lives after that.
 */
import type { CollectRun } from "../../../shared/contract/collect.ts";
import { readFlag } from "../intents.ts";
import { finalKey, intentKey, runKey, SESSION_PREFIX, workPrefix } from "../layout.ts";
import { pagesOf } from "../listing.ts";
import type { Ports } from "../ports.ts";
import { SESSION_SECONDS_MAX } from "../sessions.ts";
import { listRuns, loadRun, saveRun } from "./state.ts";
import { scrubIndex } from "./sweep.ts";

const DAY_MS = 86_400_000;
const SESSION_KEPT_MS = 14 * DAY_MS;
/** An upload's life, and a day for clocks and for what is under way. */
const SCRUB_MS = SESSION_SECONDS_MAX * 1000 + DAY_MS;

export async function tidy(ports: Ports, storeNowMs: number): Promise<void> {
  await tidySessions(ports, storeNowMs);
  // A run's name begins with its start, and its times count from its end: what began lately has nothing due, and is not read.
  const youngestMs = storeNowMs - (ports.margins.retainMs - SCRUB_MS);
  for (const run of await listRuns(ports)) {
    if (Number.parseInt(run, 10) > youngestMs) break;
    const state = await loadRun(ports, run);
    if (state !== null && state.endedAtMs !== null) await tidyRun(ports, state, storeNowMs - state.endedAtMs, storeNowMs);
  }
}

/** Sessions of many writers live 7 days; what they wrote is copied into the revision's envelope by then, or never. */
async function tidySessions(ports: Ports, storeNowMs: number): Promise<void> {
  const { bucket } = ports.stores.home;
  for await (const page of pagesOf(bucket, SESSION_PREFIX)) {
    await bucket.delete(page.filter(({ modifiedAtMs }) => modifiedAtMs < storeNowMs - SESSION_KEPT_MS).map(({ key }) => key));
  }
}

async function tidyRun(ports: Ports, state: CollectRun, ageMs: number, storeNowMs: number): Promise<void> {
  const { retainMs } = ports.margins;
  const isScrubbed = state.publishedAtMs === null || (state.scrubbedAtMs !== null && storeNowMs - state.scrubbedAtMs >= SCRUB_MS);
  if (isScrubbed && ageMs >= retainMs) await forget(ports, state.run);
  else if (state.publishedAtMs !== null && state.scrubbedAtMs === null && ageMs >= retainMs - SCRUB_MS) await scrub(ports, state);
}

async function scrub(ports: Ports, state: CollectRun): Promise<void> {
  await scrubIndex(ports, state, await readFlag(ports, intentKey(state.run)));
  const scrubbedAtMs = await saveRun(ports, state);
  await saveRun(ports, { ...state, scrubbedAtMs });
}

/** The state last: what is left half done is done by the next. */
async function forget(ports: Ports, run: string): Promise<void> {
  const { bucket } = ports.stores.home;
  for await (const page of pagesOf(bucket, workPrefix(run))) await bucket.delete(page.map(({ key }) => key));
  await bucket.delete([intentKey(run), finalKey(run)]);
  await bucket.delete([runKey(run)]);
}
