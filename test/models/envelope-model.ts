/**
 * Is the envelope of a committed revision ever deleted? Collection deletes envelopes that are older than 72 h and have no record. A commit
 * may be asked for again days later, with the same placement, and collection works in small steps that may lie days apart. Here, and only
 * here, time counts: in days.
 */
import { type Model, type Step, step } from "./explore.ts";
import type { Bits } from "./state-table.ts";

export type EnvelopeRules = {
  /** What an envelope's key says beside operation, manifest and placement: the day it is written on (as built), or nothing. */
  key: "of the day" | "of the content";
  /** A commit that published more than minutes ago starts over. Here: it never outlives one midnight. */
  commitIsShort: boolean;
  /** For how many days an envelope without a record counts. */
  pendingDays: number;
  /** In which order a look reads. */
  reads: "envelopes, then logs" | "logs, then envelopes";
  /** The moment that an envelope's age is taken at. */
  age: "when the look began" | "when envelopes are listed";
};

export const ENVELOPE_PROTOCOL: EnvelopeRules = {
  key: "of the day",
  commitIsShort: true,
  pendingDays: 3,
  reads: "envelopes, then logs",
  age: "when the look began",
};

/** An upload lives seven days; what goes wrong does so in the first six. */
const DAYS = 6;

/** One call of the commit. `key`: -1 before it published. */
type Call = { at: "idle" | "published" | "checked"; key: number; day: number };
/** A look, then the deletes. `old`: envelopes past their time; `named`: what the logs named when they were read, -1: nothing. */
type Look = { at: "start" | "half" | "delete"; began: number; old: number; named: number };

/** Envelopes are known by key; `written` is the day of the last PUT, -1: there is none. `inFlight`: DELETEs that may land late, bit by bit. */
export type EnvelopeState = {
  day: number;
  written: readonly number[];
  committed: number;
  calls: readonly Call[];
  look: Look;
  inFlight: number;
};

const IDLE: Call = { at: "idle", key: -1, day: 0 };
const NO_LOOK: Look = { at: "start", began: 0, old: 0, named: -1 };

export function envelopeModel(change: Partial<EnvelopeRules> = {}): Model<EnvelopeState> {
  const rules = { ...ENVELOPE_PROTOCOL, ...change };
  return {
    initial: { day: 0, written: new Array<number>(DAYS).fill(-1), committed: -1, calls: [IDLE, IDLE], look: NO_LOOK, inFlight: 0 },
    steps: (state) => [
      ...state.calls.flatMap((call, at) => callSteps(rules, state, call, at)),
      ...(state.look.at === "delete" ? deletes(state) : reads(rules, state)),
      ...midnight(rules, state),
      ...state.written.flatMap((_, key) => lateDelete(state, key)),
    ],
    pack,
    twins: (state) => [{ ...state, calls: state.calls.toReversed() }],
    broken: ({ committed, written }) => (committed >= 0 && written[committed] === -1 ? "the committed revision lost its envelope" : null),
  };
}

function midnight({ commitIsShort }: EnvelopeRules, state: EnvelopeState): Step<EnvelopeState>[] {
  const dawdles = state.calls.some((call) => call.at !== "idle" && call.day < state.day);
  if (state.day + 1 === DAYS || (commitIsShort && dawdles)) return [];
  return [step(`midnight: day ${state.day + 1}`, { ...state, day: state.day + 1 })];
}

/** publish, look at intents, append; a call may end after any step, and be made again on any later day. */
function callSteps(rules: EnvelopeRules, state: EnvelopeState, call: Call, at: number): Step<EnvelopeState>[] {
  const who = `commit call ${at + 1}`;
  const become = (next: Call): EnvelopeState => ({ ...state, calls: state.calls.with(at, next) });
  const dies = step(`${who}: dies`, become(IDLE));
  switch (call.at) {
    case "idle": {
      if (state.committed >= 0) return [];
      const key = rules.key === "of the day" ? state.day : 0;
      const after = become({ at: "published", key, day: state.day });
      return [step(`${who}: PUT ${name(key)}`, { ...after, written: state.written.with(key, state.day) })];
    }
    case "published":
      return [step(`${who}: its chunks pass`, become({ ...call, at: "checked" })), dies];
    case "checked": {
      const committed = state.committed < 0 ? call.key : state.committed;
      return [step(`${who}: PUT log record naming ${name(committed)}`, { ...become(IDLE), committed }), dies];
    }
    default:
      return call.at satisfies never;
  }
}

/** A look reads envelopes and logs, one after the other. */
function reads(rules: EnvelopeRules, state: EnvelopeState): Step<EnvelopeState>[] {
  const { look, day, committed } = state;
  const isFirst = look.at === "start";
  const next: Look = { ...look, at: isFirst ? "half" : "delete", began: isFirst ? day : look.began };
  if (isFirst === (rules.reads === "logs, then envelopes"))
    return [
      step(`collection: reads the logs: ${committed < 0 ? "no record" : "a record"}`, { ...state, look: { ...next, named: committed } }),
    ];
  const old = pastTheirTime(rules, state, rules.age === "when the look began" ? next.began : day);
  return [step(`collection: LIST envelopes: ${old === 0 ? "none" : "some"} past their time`, { ...state, look: { ...next, old } })];
}

function deletes(state: EnvelopeState): Step<EnvelopeState>[] {
  const { look } = state;
  const garbage = look.named < 0 ? look.old : look.old & ~(1 << look.named);
  if (garbage === 0) return [step("collection: ends", { ...state, look: NO_LOOK })];
  const key = 31 - Math.clz32(garbage);
  const after = { ...state, look: { ...look, old: look.old & ~(1 << key) }, inFlight: state.inFlight | (1 << key) };
  return [step(`collection: DELETE ${name(key)}`, after)];
}

function lateDelete(state: EnvelopeState, key: number): Step<EnvelopeState>[] {
  if ((state.inFlight & (1 << key)) === 0) return [];
  const after = { ...state, inFlight: state.inFlight & ~(1 << key), written: state.written.with(key, -1) };
  return [step(`the DELETE of ${name(key)} lands`, after)];
}

function pastTheirTime({ pendingDays }: EnvelopeRules, { written }: EnvelopeState, now: number): number {
  return written.reduce((keys, day, key) => (day >= 0 && now - day >= pendingDays ? keys | (1 << key) : keys), 0);
}

function name(key: number): string {
  return `envelope ${key}`;
}

const CALL_CODES: Record<Call["at"], number> = { idle: 0, published: 1, checked: 2 };
const LOOK_CODES: Record<Look["at"], number> = { start: 0, half: 1, delete: 2 };

function pack({ day, written, committed, calls, look, inFlight }: EnvelopeState, bits: Bits): void {
  bits.put(day, 3);
  for (const on of written) bits.put(on + 1, 3);
  bits.put(committed + 1, 3);
  bits.put(inFlight, DAYS);
  for (const call of calls) {
    bits.put(CALL_CODES[call.at], 2);
    bits.put(call.key + 1, 3);
    bits.put(call.day, 3);
  }
  bits.put(LOOK_CODES[look.at], 2);
  bits.put(look.began, 3);
  bits.put(look.old, DAYS);
  bits.put(look.named + 1, 3);
}
