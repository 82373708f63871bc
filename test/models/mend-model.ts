/**
 * Mending a revision beside collection and a purge (docs/decisions/0021): two menders give one revision, whose bad chunk each has copied
 * under a fresh key, another envelope. Does the revision ever lack its envelope, or a chunk that it names? Times are left out, as in
 * collect-state.ts: every object is old enough to be garbage, and every envelope without a record young enough to be a reference.
 */
import { type Model, type Step, step } from "./explore.ts";
import type { Bits } from "./state-table.ts";

export type MendRules = {
  /** The envelope is written before the mender looks at the intents. */
  publishFirst: boolean;
  /** The mender looks at the intents at all. */
  looks: boolean;
  /** Collection reads envelopes once more after its intent. */
  secondLook: boolean;
  /** Envelopes without a record count as references. */
  pendingIsRoot: boolean;
  /** When the old envelope is dead: by the record, or as soon as another one is there. */
  oldDies: "by the record" | "by the new envelope";
  /** Intents outlive the run that wrote them. */
  intentStays: boolean;
};

export const MEND_PROTOCOL: MendRules = {
  publishFirst: true,
  looks: true,
  secondLook: true,
  pendingIsRoot: true,
  oldDies: "by the record",
  intentStays: true,
};

/** Bits of envelopes: 0 the old one, 1 and 2 the menders'. Bits of chunks: 0 the good one that all name, 1 and 2 the menders' copies. */
type Set = number;
type Mender = "idle" | "copied" | "published" | "looked" | "over";
type Collector = {
  at: "start" | "scanned" | "listed" | "announced" | "settled";
  /** Envelopes that were there at the scan, and those that were dead. */
  seen: Set;
  dead: Set;
  live: Set;
  garbage: Set;
  runs: number;
};

export type MendState = {
  /** The envelope that the log names. */
  current: number;
  purged: boolean;
  envelopes: Set;
  chunks: Set;
  intents: Set;
  /** DELETEs that may land at any time. */
  lateEnvelopes: Set;
  lateChunks: Set;
  menders: readonly Mender[];
  collector: Collector;
};

const RUNS = 2;
const NO_RUN: Collector = { at: "start", seen: 0, dead: 0, live: 0, garbage: 0, runs: 0 };

export function mendModel(change: Partial<MendRules> = {}): Model<MendState> {
  const rules = { ...MEND_PROTOCOL, ...change };
  return {
    initial: {
      current: 0,
      purged: false,
      envelopes: 1,
      chunks: 1,
      intents: 0,
      lateEnvelopes: 0,
      lateChunks: 0,
      menders: ["idle", "idle"],
      collector: NO_RUN,
    },
    steps: (state) => [
      ...state.menders.flatMap((mender, at) => mendSteps(rules, state, mender, at)),
      ...collectSteps(rules, state),
      ...[0, 1, 2].flatMap((at) => lands(state, at)),
      ...(state.purged ? [] : [step("PUT log record: purge", { ...state, purged: true })]),
    ],
    pack,
    broken: ({ current, purged, envelopes, chunks }) => {
      if (purged) return null;
      if (!has(envelopes, current)) return "the revision lost its envelope";
      return (chunksOf(current) & ~chunks) === 0 ? null : "the revision lost a chunk";
    },
  };
}

function mendSteps(rules: MendRules, state: MendState, mender: Mender, at: number): Step<MendState>[] {
  const own = at + 1;
  const who = `mender ${own}`;
  const become = (next: Mender, change: Partial<MendState> = {}) => ({ ...state, ...change, menders: state.menders.with(at, next) });
  const publish = (next: Mender) => step(`${who}: PUT envelope ${own}`, become(next, { envelopes: state.envelopes | (1 << own) }));
  const condemned = rules.looks && has(state.intents, own);
  const look = (next: Mender) => step(`${who}: reads the intents`, become(condemned ? "over" : next));
  switch (mender) {
    case "idle":
      return [step(`${who}: copies the chunk`, become("copied", { chunks: state.chunks | (1 << own) }))];
    case "copied":
      return [rules.publishFirst ? publish("published") : look("published")];
    case "published":
      return [rules.publishFirst ? look("looked") : publish("looked")];
    case "looked": {
      const isFree = state.current === 0 && !state.purged;
      return [
        step(
          `${who}: ${isFree ? `PUT log record: adopt envelope ${own}` : "finds it done"}`,
          become("over", isFree ? { current: own } : {}),
        ),
      ];
    }
    case "over":
      return [];
    default:
      return mender satisfies never;
  }
}

function collectSteps(rules: MendRules, state: MendState): Step<MendState>[] {
  const { collector, envelopes, chunks, intents } = state;
  const become = (next: Partial<Collector>, change: Partial<MendState> = {}) => ({
    ...state,
    ...change,
    collector: { ...collector, ...next },
  });
  switch (collector.at) {
    case "start": {
      if (collector.runs === RUNS) return [];
      const dead = envelopes & deadOf(rules, state);
      const live = [0, 1, 2].reduce((all, at) => (has(envelopes & ~dead, at) ? all | chunksOf(at) : all), 0);
      return [step("collection: reads envelopes", become({ at: "scanned", seen: envelopes, dead, live }))];
    }
    case "scanned":
      return [step("collection: LIST chunks", become({ at: "listed", garbage: chunks & ~collector.live }))];
    case "listed":
      return [step("collection: PUT intent", become({ at: "announced" }, { intents: intents | collector.garbage }))];
    case "announced": {
      const fresh = rules.secondLook ? envelopes & ~collector.seen : 0;
      const again = [0, 1, 2].reduce((all, at) => (has(fresh, at) ? all | chunksOf(at) : all), 0);
      return [step("collection: reads envelopes again", become({ at: "settled", garbage: collector.garbage & ~again }))];
    }
    case "settled": {
      const late = { lateChunks: state.lateChunks | collector.garbage, lateEnvelopes: state.lateEnvelopes | collector.dead };
      const kept = rules.intentStays ? intents : 0;
      return [step("collection: DELETEs", { ...state, ...late, intents: kept, collector: { ...NO_RUN, runs: collector.runs + 1 } })];
    }
    default:
      return collector.at satisfies never;
  }
}

function deadOf({ pendingIsRoot, oldDies }: MendRules, { current, purged, envelopes }: MendState): Set {
  const byRecord = (current === 0 ? 0 : 1) | (purged ? 1 << current : 0);
  const pending = (pendingIsRoot ? 0 : 0b110) & ~(1 << current);
  const byOther = oldDies === "by the new envelope" && envelopes > 1 ? 1 : 0;
  return byRecord | pending | byOther;
}

function lands(state: MendState, at: number): Step<MendState>[] {
  const steps: Step<MendState>[] = [];
  const { lateChunks, lateEnvelopes, chunks, envelopes } = state;
  if (has(lateChunks, at))
    steps.push(step(`the DELETE of chunk ${at} lands`, { ...state, lateChunks: less(lateChunks, at), chunks: less(chunks, at) }));
  if (has(lateEnvelopes, at))
    steps.push(
      step(`the DELETE of envelope ${at} lands`, { ...state, lateEnvelopes: less(lateEnvelopes, at), envelopes: less(envelopes, at) }),
    );
  return steps;
}

/** The old envelope's other chunk is the bad one, whose object is gone. */
function chunksOf(envelope: number): Set {
  return envelope === 0 ? 1 : 1 | (1 << envelope);
}

function has(set: Set, at: number): boolean {
  return (set & (1 << at)) !== 0;
}

function less(set: Set, at: number): Set {
  return set & ~(1 << at);
}

const MENDER_CODES: Record<Mender, number> = { idle: 0, copied: 1, published: 2, looked: 3, over: 4 };
const COLLECTOR_CODES: Record<Collector["at"], number> = { start: 0, scanned: 1, listed: 2, announced: 3, settled: 4 };

function pack(state: MendState, bits: Bits): void {
  const { at, seen, dead, live, garbage, runs } = state.collector;
  bits.put(state.current, 2);
  bits.put(state.purged ? 1 : 0, 1);
  for (const set of [state.envelopes, state.chunks, state.intents, state.lateEnvelopes, state.lateChunks, seen, dead, live, garbage])
    bits.put(set, 3);
  for (const mender of state.menders) bits.put(MENDER_CODES[mender], 3);
  bits.put(COLLECTOR_CODES[at], 3);
  bits.put(runs, 2);
}
