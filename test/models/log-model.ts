/**
 * Does an act happen once, and on what it expects? Requests that append to one log in the bucket, some of them twice at the same time
 * (a client that lost patience and asked again), with an index in Redis that follows the log, forgets, and goes back to what it was.
 * The steps are those of functions/registry/log.ts and, for the comparison, publish.ts.
 */
import { type Model, type Step, step } from "./explore.ts";
import type { Bits } from "./state-table.ts";

export type LogRules = {
  /** A record is written only where there is none. */
  createOnly: boolean;
  /** Where the next record goes: after the scanned tail of the bucket, or after the index's head as it is then. */
  place: "after the tail" | "after the index's head";
  /** The own operation is looked for before a place is taken, or only in the records that were in the way. */
  findOwn: "before" | "in the way";
  /** What is looked at in the bucket: all that the ring did not reach when it was asked, or only what it would not reach at the tail. */
  searchOlder: "than the ring" | "than the scanned tail" | "not";
  /** Ring of operations and head of the index are one key, so that they are lost and brought back together. */
  ringWithHead: boolean;
  /**
   * What an answer of the index is worth. "at the tail": it must be at least at the tail that this request scanned. "whole": any answer
   * of an index that is whole. "head read again": as "whole", and the head is read once more before the record is written.
   */
  reads: "at the tail" | "whole" | "head read again";
  /** The comparison is made for every place, or only for the first that is tried. */
  compare: "every time" | "once";
  /** A first comparison, before anything is read from the bucket, is enough to refuse. */
  refuseEarly: boolean;
  /** A record is applied only right after the one before. */
  refuseGaps: boolean;
  /** A replay that one request did not finish goes on where it stopped. */
  replayGoesOn: boolean;
};

export const LOG_PROTOCOL: LogRules = {
  createOnly: true,
  place: "after the tail",
  findOwn: "before",
  searchOlder: "than the ring",
  ringWithHead: true,
  reads: "at the tail",
  compare: "every time",
  refuseEarly: false,
  refuseGaps: true,
  replayGoesOn: true,
};

/** `expects`: the operation that made the branch's head; "nothing": there must be no branch yet; "anything": no comparison. */
export type Operation = { branch: string; expects: string };

export type LogSetup = {
  operations: Record<string, Operation>;
  /** Records that are there at the start, by operation. */
  before: readonly string[];
  /** Requests, by operation: one that is named twice runs twice. */
  requests: readonly string[];
  losses: number;
  /** Operations in the ring. */
  ring: number;
  /** Records that one request replays. */
  replayMax: number;
};

type At = "early" | "head" | "list" | "replay" | "find" | "compare" | "look" | "create" | "apply" | "done" | "refused";

/** `start`: the head that was read (-1: no whole index), then the last record replayed. `refusing`: a last look before a refusal. */
type Thread = { at: At; start: number; tail: number; refusing: boolean; compared: boolean };

/** Records are places 1, 2, …; `known` and `ring` are sets of places, bit by bit. `seq` -1: lost. */
type Index = { seq: number; replayTo: number; known: number; ring: number };

export type LogState = { log: readonly string[]; index: Index; losses: number; threads: readonly Thread[] };

const LOST: Index = { seq: -1, replayTo: 0, known: 0, ring: 0 };
const FRESH: Thread = { at: "head", start: 0, tail: 0, refusing: false, compared: false };

/** `goal`: also ask whether every request can still be answered, whatever happened. */
export function logModel(setup: LogSetup, change: Partial<LogRules> = {}, { goal = false } = {}): Model<LogState> {
  const rules = { ...LOG_PROTOCOL, ...change };
  const all = upTo(setup.before.length);
  const threads = setup.requests.map((operation, at) => new Request(rules, setup, operation, at));
  const names = Object.keys(setup.operations);
  return {
    initial: {
      log: setup.before,
      index: { seq: setup.before.length, replayTo: setup.before.length, known: all, ring: all },
      losses: setup.losses,
      threads: setup.requests.map(() => (rules.refuseEarly ? { ...FRESH, at: "early" } : FRESH)),
    },
    steps: (state) => [...threads.flatMap((thread) => thread.steps(state)), ...(state.losses > 0 ? losses(rules, state) : [])],
    broken: (state) => broken(setup, state),
    pack: (state, bits) => pack(names, state, bits),
    ...(goal ? { goal: (state) => state.threads.every(({ at }) => at === "done" || at === "refused") } : {}),
  };
}

function broken(setup: LogSetup, { log, threads }: LogState): string | null {
  for (const [at, operation] of log.entries()) {
    if (log.indexOf(operation) !== at) return `operation ${operation} happened twice`;
    const { expects } = operationOf(setup, operation);
    const head = headBefore(setup, log.slice(0, at), operation);
    if (expects !== "anything" && head !== expects) return `operation ${operation} was made on ${expects}, but the head was ${head}`;
  }
  for (const [at, thread] of threads.entries()) {
    const operation = setup.requests[at] ?? "";
    const happened = log.includes(operation);
    if (thread.at === "done" && !happened) return `operation ${operation} was acknowledged and is not in the log`;
    if (thread.at === "refused" && happened) return `operation ${operation} was refused and is in the log`;
    // What a branch was once it never is again, so a head that fits now fitted then.
    if (thread.at === "refused" && headBefore(setup, log, operation) === operationOf(setup, operation).expects)
      return `operation ${operation} was refused, but nothing had moved`;
  }
  return null;
}

function operationOf({ operations }: LogSetup, operation: string): Operation {
  return operations[operation] ?? { branch: "", expects: "anything" };
}

/** Head of the operation's branch after these records. */
function headBefore(setup: LogSetup, log: readonly string[], operation: string): string {
  const { branch } = operationOf(setup, operation);
  return log.findLast((earlier) => operationOf(setup, earlier).branch === branch) ?? "nothing";
}

/** Redis is empty, or goes back to an earlier record; as one key, or the ring alone. */
function losses(rules: LogRules, state: LogState): Step<LogState>[] {
  const { index } = state;
  const become = (after: Index): LogState => ({ ...state, losses: state.losses - 1, index: after });
  const steps = index.seq >= 0 ? [step("Redis is wiped", become(LOST))] : [];
  for (let seq = 0; seq < index.seq; seq++) {
    const back = { seq, replayTo: seq, known: index.known & upTo(seq), ring: index.ring & upTo(seq) };
    steps.push(step(`Redis goes back to record ${seq}`, become(back)));
    if (!rules.ringWithHead) steps.push(step(`Redis' ring goes back to record ${seq}`, become({ ...index, ring: back.ring })));
  }
  return steps;
}

/** One request of an operation. A 503 is answered by asking again, so it is a way back to the start. */
class Request {
  readonly #rules: LogRules;
  readonly #setup: LogSetup;
  readonly #operation: string;
  readonly #at: number;
  readonly #name: string;

  constructor(rules: LogRules, setup: LogSetup, operation: string, at: number) {
    this.#rules = rules;
    this.#setup = setup;
    this.#operation = operation;
    this.#at = at;
    const twice = setup.requests.filter((other) => other === operation).length > 1;
    this.#name = twice ? `${operation} (request ${at + 1})` : operation;
  }

  steps(state: LogState): Step<LogState>[] {
    const thread = state.threads[this.#at] ?? FRESH;
    switch (thread.at) {
      case "early":
        return this.#compare(state, thread);
      case "head": {
        const { seq } = state.index;
        const start = isWhole(state.index) ? seq : -1;
        return [step(`${this.#name}: index head: ${start < 0 ? "none" : start}`, this.#move(state, { ...thread, at: "list", start }))];
      }
      case "list":
        return this.#list(state, thread);
      case "replay":
        return this.#replay(state, thread);
      case "find":
        return this.#find(state, thread);
      case "compare":
        return this.#compare(state, thread);
      case "look": {
        const fits = isWhole(state.index) && state.index.seq >= thread.tail;
        return [step(`${this.#name}: head read again`, fits ? this.#go(state, thread, "create") : this.#again(state, thread))];
      }
      case "create":
        return this.#create(state, thread);
      case "apply":
        return this.#applyOwn(state, thread);
      case "done":
      case "refused":
        return [];
      default:
        return thread.at satisfies never;
    }
  }

  /** LIST after the head, and a new index when there is none. */
  #list(state: LogState, thread: Thread): Step<LogState>[] {
    const tail = state.log.length;
    const begun = thread.start >= 0 ? state.index : begin(state.index, tail);
    const start = thread.start >= 0 ? thread.start : this.#rules.replayGoesOn ? begun.seq : 0;
    const after = { ...state, index: begun };
    const at = start < tail ? "replay" : this.#afterReplay();
    return [step(`${this.#name}: LIST: tail ${tail}`, this.#move(after, { ...thread, at, start, tail: Math.max(tail, start) }))];
  }

  /** The thread's `start` counts up; `replayMax` records of one request are what it is allowed. */
  #replay(state: LogState, thread: Thread): Step<LogState>[] {
    const first = thread.start + 1;
    const last = Math.min(thread.tail, thread.start + this.#setup.replayMax);
    let index: Index | null = state.index;
    for (let seq = first; seq <= last && index !== null; seq++) index = this.#applied(index, seq);
    if (index === null) return [step(`${this.#name}: replay refused, 503`, this.#again(state, thread))];
    const after = { ...state, index };
    const label = `${this.#name}: replays to record ${last}`;
    if (last < thread.tail) return [step(`${label}, 503`, this.#again(after, thread))];
    return [step(label, this.#move(after, { ...thread, at: this.#afterReplay(), start: 0 }))];
  }

  #afterReplay(): At {
    return this.#rules.findOwn === "before" ? "find" : "compare";
  }

  #find(state: LogState, thread: Thread): Step<LogState>[] {
    if (!this.#fits(state.index, thread)) return [step(`${this.#name}: the index is not there yet, 503`, this.#again(state, thread))];
    const places = state.log.flatMap((operation, at) => (operation === this.#operation ? [at + 1] : []));
    const beforeRing = state.index.seq - this.#setup.ring;
    const searched = { "than the ring": beforeRing, "than the scanned tail": thread.tail - this.#setup.ring, not: 0 };
    const found = places.some((place) => {
      const inRing = place > beforeRing && (state.index.ring & bit(place)) !== 0;
      return inRing || place <= searched[this.#rules.searchOlder];
    });
    if (found) return [step(`${this.#name}: finds its record`, this.#go(state, thread, "done"))];
    if (thread.refusing) return [step(`${this.#name}: refused`, this.#go(state, thread, "refused"))];
    const next = this.#rules.compare === "once" && thread.compared ? this.#beforeCreate() : "compare";
    return [step(`${this.#name}: finds no record of its own`, this.#go(state, thread, next))];
  }

  #compare(state: LogState, thread: Thread): Step<LogState>[] {
    if (!this.#fits(state.index, thread)) return [step(`${this.#name}: the index is not there yet`, this.#again(state, thread))];
    const { expects } = operationOf(this.#setup, this.#operation);
    const known = state.log.filter((_, at) => (state.index.known & bit(at + 1)) !== 0);
    const head = headBefore(this.#setup, known, this.#operation);
    const holds = expects === "anything" || head === expects;
    const label = `${this.#name}: compares with ${head}`;
    if (holds && thread.at === "early") return [step(label, this.#go(state, thread, "head"))];
    if (holds) return [step(label, this.#move(state, { ...thread, at: this.#beforeCreate(), compared: true }))];
    return [step(`${label}: it moved`, this.#move(state, { ...FRESH, refusing: true }))];
  }

  #beforeCreate(): At {
    return this.#rules.reads === "head read again" ? "look" : "create";
  }

  #create(state: LogState, thread: Thread): Step<LogState>[] {
    const place = this.#rules.place === "after the tail" ? thread.tail + 1 : Math.max(0, state.index.seq) + 1;
    const held = state.log[place - 1];
    if (held !== undefined && this.#rules.createOnly) {
      const own = held === this.#operation && this.#rules.findOwn === "in the way";
      const label = `${this.#name}: PUT record ${place}: exists`;
      return [step(label, own ? this.#go(state, thread, "done") : this.#move(state, { ...FRESH, compared: thread.compared }))];
    }
    const log = held === undefined ? [...state.log, this.#operation] : state.log.with(place - 1, this.#operation);
    return [step(`${this.#name}: PUT record ${place}`, this.#move({ ...state, log }, { ...thread, at: "apply", tail: place }))];
  }

  #applyOwn(state: LogState, thread: Thread): Step<LogState>[] {
    const index = this.#applied(state.index, thread.tail);
    if (index === null) return [step(`${this.#name}: the index refuses record ${thread.tail}, 503`, this.#again(state, thread))];
    return [step(`${this.#name}: index applies record ${thread.tail}, answers`, this.#go({ ...state, index }, thread, "done"))];
  }

  /** Null: refused. */
  #applied(index: Index, seq: number): Index | null {
    if (index.seq < 0 || (this.#rules.refuseGaps && seq > index.seq + 1)) return null;
    return seq <= index.seq ? index : { ...index, seq, known: index.known | bit(seq), ring: index.ring | bit(seq) };
  }

  #fits(index: Index, { tail }: Thread): boolean {
    return isWhole(index) && (this.#rules.reads !== "at the tail" || index.seq >= tail);
  }

  #again(state: LogState, { refusing }: Thread): LogState {
    return this.#move(state, { ...FRESH, refusing });
  }

  #go(state: LogState, thread: Thread, at: At): LogState {
    const isOver = at === "done" || at === "refused";
    return this.#move(state, isOver ? { ...FRESH, at } : { ...thread, at });
  }

  #move(state: LogState, thread: Thread): LogState {
    return { ...state, threads: state.threads.with(this.#at, thread) };
  }
}

function isWhole({ seq, replayTo }: Index): boolean {
  return seq >= 0 && replayTo <= seq;
}

/** What is sound stays, also a replay that runs. */
function begin(index: Index, tail: number): Index {
  return index.seq < 0 ? { ...LOST, seq: 0, replayTo: tail } : { ...index, replayTo: Math.max(index.replayTo, tail) };
}

function bit(place: number): number {
  return 1 << place;
}

/** Places 1 to `place`. */
function upTo(place: number): number {
  return (1 << (place + 1)) - 2;
}

// ---- encoding ---------------------------------------------------------------------------------------------------------------------

const CODES: Record<At, number> = {
  early: 0,
  head: 1,
  list: 2,
  replay: 3,
  find: 4,
  compare: 5,
  look: 6,
  create: 7,
  apply: 8,
  done: 9,
  refused: 10,
};
/** Bits for a place, and for a set of places: at most six records. */
const PLACE = 3;
const PLACES = 7;

function pack(names: readonly string[], { log, index, losses, threads }: LogState, bits: Bits): void {
  for (let at = 0; at < PLACES - 1; at++) bits.put(names.indexOf(log[at] ?? "") + 1, 3);
  bits.put(index.seq + 1, PLACE);
  bits.put(index.replayTo, PLACE);
  bits.put(index.known, PLACES);
  bits.put(index.ring, PLACES);
  bits.put(losses, 2);
  for (const { at, start, tail, refusing, compared } of threads) {
    bits.put(CODES[at], 4);
    bits.put(start + 1, PLACE);
    bits.put(tail, PLACE);
    bits.put((refusing ? 2 : 0) | (compared ? 1 : 0), 2);
  }
}
