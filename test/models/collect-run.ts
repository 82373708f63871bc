/** Collection's side: one run from its scan to the end of its intent, and the deletes that it leaves in flight. */
import {
  type Collection,
  type CollectionStep,
  eachOf,
  has,
  isOver,
  type Keys,
  NO_KEY,
  only,
  ownKey,
  type Rules,
  referenced,
  type Setup,
  type State,
  type Writer,
  withEntry,
} from "./collect-state.ts";
import { type Step, step } from "./explore.ts";

export class CollectionSteps {
  readonly #rules: Rules;
  readonly #setup: Setup;
  readonly #at: number;
  readonly #name: string;
  readonly #order: readonly CollectionStep[];

  constructor(rules: Rules, setup: Setup, at: number) {
    this.#rules = rules;
    this.#setup = setup;
    this.#at = at;
    this.#name = `collection ${at + 1}`;
    this.#order = orderOf(rules);
  }

  steps(state: State): Step<State>[] {
    const run = state.collections[this.#at];
    if (run === undefined) return [];
    switch (run.at) {
      case "scan":
        return this.#scan(state, run);
      case "announce":
        return this.#announce(state, run);
      case "look again":
        return this.#lookAgain(state, run);
      case "unindex":
        return this.#unindex(state, run);
      case "delete":
        return this.#delete(state, run);
      case "scrub":
        return this.#scrub(state, run);
      case "retire":
        return this.#retire(state, run);
      case "gone":
        return [];
      default:
        return run.at satisfies never;
    }
  }

  #scan(state: State, run: Collection): Step<State>[] {
    const keys = state.objects & ~referenced(this.#rules, state);
    return keys === 0 ? [] : [step(`${this.#name}: scan: ${names(keys)} unreferenced`, this.#proceed(state, { ...run, keys }))];
  }

  #announce(state: State, run: Collection): Step<State>[] {
    const { keys } = run;
    return [step(`${this.#name}: PUT intent ${names(keys)}`, this.#proceed(state, { ...run, intent: keys, final: keys }))];
  }

  #lookAgain(state: State, run: Collection): Step<State>[] {
    const again = this.#rules.intentWrittenOnce ? [] : this.#announceAgain(state, run);
    const candidates = this.#rules.finalFrom === "intent" ? run.keys : state.objects;
    const keys = candidates & ~referenced(this.#rules, state);
    return [...again, step(`${this.#name}: second look leaves ${names(keys)}`, this.#proceed(state, { ...run, keys, final: keys }))];
  }

  /** The run died after its intent and starts over; a server has the first intent in its cache, for it takes intents to be immutable. */
  #announceAgain(state: State, run: Collection): Step<State>[] {
    const keys = state.objects & ~referenced(this.#rules, state);
    if (run.cached !== 0 || keys === 0 || keys === run.intent) return [];
    const again = { ...run, keys, intent: keys, final: keys, cached: run.intent };
    return [step(`${this.#name}: starts over: PUT intent ${names(keys)} in the place of ${names(run.intent)}`, this.#change(state, again))];
  }

  #unindex(state: State, run: Collection): Step<State>[] {
    const after = this.#proceed(state, run);
    const drops = this.#rules.scrubIndex !== "never" && has(run.keys, state.entry);
    return [step(`${this.#name}: index entry ${drops ? "dropped" : "left"}`, drops ? withEntry(after, NO_KEY) : after)];
  }

  #delete(state: State, run: Collection): Step<State>[] {
    if (run.keys === 0) return [step(`${this.#name}: every DELETE was sent`, this.#proceed(state, run))];
    return eachOf(run.keys).flatMap((key) => {
      const after = this.#change(state, { ...run, keys: run.keys & ~only(key) });
      return [
        step(`${this.#name}: DELETE key ${key}`, { ...after, objects: after.objects & ~only(key) }),
        step(`${this.#name}: DELETE key ${key}, no answer`, { ...after, inFlight: after.inFlight | only(key) }),
      ];
    });
  }

  /** Weeks later: entries that came back are dropped, so that no upload can begin with what is gone. */
  #scrub(state: State, run: Collection): Step<State>[] {
    const after = withoutEntries(this.#proceed(state, run), run.intent);
    return [step(`${this.#name}: weeks later: the index is scrubbed`, after)];
  }

  #retire(state: State, run: Collection): Step<State>[] {
    const { intentGoes } = this.#rules;
    const waits =
      intentGoes === "when uploads are over" && state.writers.some((writer, at) => this.#remembers(state, writer, at, run.intent));
    if (intentGoes === "kept" || waits) return [];
    const after = this.#proceed(state, run);
    if (intentGoes === "when its deletes were sent") return [step(`${this.#name}: the intent goes`, after)];
    // A copy of Redis from before the deletes is older by now than any that is brought back.
    return [step(`${this.#name}: 30 days later: the intent goes`, { ...after, entryPast: state.entryPast & ~(run.intent << 1) })];
  }

  /** Whether an upload that lives knows one of the keys: by a proof, by a commit under way, as its base's or as its own. */
  #remembers(state: State, writer: Writer, at: number, keys: Keys): boolean {
    if (isOver(writer)) return false;
    const { upload = 0, base = false, clone = false } = this.#setup.writers[at] ?? {};
    const past = state.losses > 0 ? (state.proofsPast[upload] ?? 0) >> 1 : 0;
    let known = past | only(state.proofs[upload] ?? NO_KEY) | (base || clone ? only(0) : 0);
    known |= only(writer.offered) | only(writer.request.key) | only(writer.abandoned.key);
    for (let attempt = 1; attempt <= this.#setup.attempts; attempt++) known |= only(ownKey(this.#rules, this.#setup, upload, attempt));
    return (known & keys) !== 0;
  }

  #proceed(state: State, run: Collection): State {
    return this.#change(state, { ...run, at: this.#order[this.#order.indexOf(run.at) + 1] ?? "gone" });
  }

  #change(state: State, run: Collection): State {
    return { ...state, collections: state.collections.with(this.#at, run) };
  }
}

/** DELETEs that got no answer may still land. */
export function lateDeletes(state: State): Step<State>[] {
  return eachOf(state.inFlight).map((key) => {
    const after = { ...state, inFlight: state.inFlight & ~only(key), objects: state.objects & ~only(key) };
    return step(`the DELETE of key ${key} lands late`, after);
  });
}

function orderOf({ announce, secondLook, scrubIndex, intentGoes }: Rules): CollectionStep[] {
  const look: CollectionStep[] = secondLook ? ["look again"] : [];
  const flags: Record<Rules["announce"], CollectionStep[]> = {
    "before the second look": ["announce", ...look],
    "after the second look": [...look, "announce"],
    never: look,
  };
  const scrubs = intentGoes !== "kept" && scrubIndex === "before the deletes and before the intent goes";
  return ["scan", ...flags[announce], "unindex", "delete", ...(scrubs ? (["scrub"] as const) : []), "retire", "gone"];
}

function withoutEntries(state: State, keys: Keys): State {
  return { ...state, entry: has(keys, state.entry) ? NO_KEY : state.entry, entryPast: state.entryPast & ~(keys << 1) };
}

function names(keys: Keys): string {
  return keys === 0 ? "no key" : `key ${eachOf(keys).join(", ")}`;
}
