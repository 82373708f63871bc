/**
 * Is a committed revision's chunk ever deleted? All interleavings of pushes, commits, collections, late DELETEs, a purge of the old
 * revision, dying clients and a Redis that forgets or brings back what it held. The parts: collect-state.ts (what there is, which rules),
 * collect-writer.ts, collect-run.ts.
 */
import { CollectionSteps, lateDeletes } from "./collect-run.ts";
import {
  type ClientStep,
  type Collection,
  type CollectionStep,
  eachOf,
  has,
  initialState,
  isUploadOver,
  type Key,
  type Keys,
  NO_KEY,
  only,
  PROTOCOL,
  type Request,
  type RequestStep,
  type Rules,
  type Setup,
  type State,
  type Writer,
} from "./collect-state.ts";
import { WriterSteps } from "./collect-writer.ts";
import { type Model, type Step, step } from "./explore.ts";
import type { Bits } from "./state-table.ts";

export type { Rules, Setup } from "./collect-state.ts";

/** `change`: the rules that a mutant breaks. `goal`: also ask whether every writer can still get its revision, whatever happened. */
export function collectModel(setup: Setup, change: Partial<Rules> = {}, { goal = false } = {}): Model<State> {
  const rules = { ...PROTOCOL, ...change };
  const writers = setup.writers.map((_, at) => new WriterSteps(rules, setup, at));
  const runs = Array.from({ length: setup.collections }, (_, at) => new CollectionSteps(rules, setup, at));
  const swap = swapOf(setup);
  return {
    initial: initialState(setup),
    steps: (state) => [
      ...writers.flatMap((writer) => writer.steps(state)),
      ...runs.flatMap((run) => run.steps(state)),
      ...lateDeletes(state),
      ...(setup.purge && state.old ? [step("the old revision is purged", { ...state, old: false })] : []),
      ...(state.losses > 0 ? losses(setup, state) : []),
    ],
    pack: (state, bits) => pack(setup, state, bits),
    broken,
    ...(swap === null ? {} : { twins: (state) => [swap(state)] }),
    ...(goal ? { goal: (state) => state.writers.every((writer) => writer.at === "done") } : {}),
  };
}

function broken(state: State): string | null {
  if (state.old && !has(state.objects, 0)) return "the old revision lost its chunk";
  const lost = state.writers.findIndex(({ committed }) => committed !== NO_KEY && !has(state.objects, committed));
  return lost < 0 ? null : `writer ${lost + 1}'s committed revision lost its chunk`;
}

/** Redis is wiped, or some of its keys come back as they were at any earlier time: the index entry, and what it knew of each upload. */
function losses(setup: Setup, state: State): Step<State>[] {
  const entries = eachOf(state.entryPast | 1 | (1 << (state.entry + 1)));
  const proofs = state.proofs.map((proof, upload) =>
    isUploadOver(setup, state, upload) ? [proof + 1] : eachOf((state.proofsPast[upload] ?? 0) | 1 | (1 << (proof + 1))),
  );
  return combinations([entries, ...proofs]).flatMap((values) => {
    const [entry = NO_KEY, ...rest] = values.map((value): Key => value - 1);
    if (entry === state.entry && rest.every((proof, upload) => proof === state.proofs[upload])) return [];
    const label = `Redis goes back: index entry ${named(entry)}, proofs ${rest.map(named).join(", ")}`;
    return [step(label, { ...state, entry, proofs: rest, losses: state.losses - 1 })];
  });
}

function combinations(choices: readonly (readonly number[])[]): number[][] {
  return choices.reduce<number[][]>((all, values) => all.flatMap((one) => values.map((value) => [...one, value])), [[]]);
}

function named(key: Key): string {
  return key === NO_KEY ? "none" : `key ${key}`;
}

// ---- encoding ---------------------------------------------------------------------------------------------------------------------

const CLIENT_CODES: Record<ClientStep, number> = {
  reserve: 0,
  record: 1,
  send: 2,
  confirm: 3,
  commit: 4,
  waiting: 5,
  done: 6,
  "gave up": 7,
};
const REQUEST_CODES: Record<RequestStep, number> = { none: 0, publish: 1, check: 2, append: 3, settle: 4 };
const RUN_CODES: Record<CollectionStep, number> = {
  scan: 0,
  announce: 1,
  "look again": 2,
  unindex: 3,
  delete: 4,
  scrub: 5,
  retire: 6,
  gone: 7,
};
/** Bits for a key or none, and for a set of keys: up to seven keys. */
const KEY = 3;
const KEYS = 7;

/** What can no longer matter is written as if it were not there, so that states that differ only in it are one. */
function pack(setup: Setup, state: State, bits: Bits): void {
  const { objects, inFlight, old, entry, losses, writers } = state;
  bits.put(objects, KEYS);
  bits.put(inFlight, KEYS);
  bits.put(old ? 1 : 0, 1);
  bits.put(entry + 1, KEY);
  bits.put(losses, 2);
  bits.put(losses > 0 ? state.entryPast : 0, KEYS + 1);
  state.proofs.forEach((proof, upload) => {
    const dead = isUploadOver(setup, state, upload);
    bits.put(dead ? 0 : proof + 1, KEY);
    bits.put(dead || losses === 0 ? 0 : (state.proofsPast[upload] ?? 0), KEYS + 1);
  });
  for (const writer of writers) packWriter(writer, bits);
  // Runs are alike, so their order says nothing.
  for (const code of state.collections.map(codeOfRun).sort((a, b) => a - b)) bits.put(code, 31);
}

function packWriter({ at, attempt, offered, committed, request, abandoned }: Writer, bits: Bits): void {
  bits.put(CLIENT_CODES[at], 3);
  bits.put(attempt, 3);
  bits.put(offered + 1, KEY);
  bits.put(committed + 1, KEY);
  packRequest(request, bits);
  packRequest(abandoned, bits);
}

function packRequest({ at, key }: Request, bits: Bits): void {
  bits.put(REQUEST_CODES[at], 3);
  bits.put(key + 1, KEY);
}

function codeOfRun({ at, keys, intent, final, cached }: Collection): number {
  return (((RUN_CODES[at] * 128 + keys) * 128 + intent) * 128 + final) * 128 + cached;
}

// ---- twins ------------------------------------------------------------------------------------------------------------------------

/** Swaps two writers of one kind, with their uploads' keys. */
function swapOf(setup: Setup): ((state: State) => State) | null {
  const [first, second, ...others] = setup.writers;
  if (first === undefined || second === undefined || others.length > 0) return null;
  if (first.base !== second.base || first.clone !== second.clone) return null;
  if (first.upload === second.upload) return (state) => ({ ...state, writers: state.writers.toReversed() });
  const swapped = (key: Key): Key => (key < 1 ? key : key <= setup.attempts ? key + setup.attempts : key - setup.attempts);
  const sets = Array.from({ length: 1 << (1 + 2 * setup.attempts) }, (_, keys) =>
    eachOf(keys).reduce((all, key) => all | only(swapped(key)), 0),
  );
  const swappedSet = (keys: Keys): Keys => sets[keys] ?? 0;
  const swappedPast = (past: number): number => (swappedSet(past >> 1) << 1) | (past & 1);
  const swapRequest = (request: Request): Request => (request.key < 1 ? request : { ...request, key: swapped(request.key) });
  return (state) => ({
    ...state,
    objects: swappedSet(state.objects),
    inFlight: swappedSet(state.inFlight),
    entry: swapped(state.entry),
    entryPast: swappedPast(state.entryPast),
    proofs: state.proofs.map(swapped).reverse(),
    proofsPast: state.proofsPast.map(swappedPast).reverse(),
    writers: state.writers
      .map((writer) => ({
        ...writer,
        offered: swapped(writer.offered),
        committed: swapped(writer.committed),
        request: swapRequest(writer.request),
        abandoned: swapRequest(writer.abandoned),
      }))
      .reverse(),
    collections: state.collections.map((run) => ({
      ...run,
      keys: swappedSet(run.keys),
      intent: swappedSet(run.intent),
      final: swappedSet(run.final),
      cached: swappedSet(run.cached),
    })),
  });
}
