/** The writer's side: a client that brings the chunk (registry/upload.ts), and commits that run in the registry (commit.ts, publish.ts). */
import {
  type ClientStep,
  condemned,
  has,
  isOwn,
  isUploadOver,
  type Key,
  NO_KEY,
  NO_REQUEST,
  only,
  ownKey,
  type Request,
  type RequestStep,
  type Rules,
  type Setup,
  type State,
  type Writer,
  type WriterKind,
  withEntry,
  withProof,
} from "./collect-state.ts";
import { type Step, step } from "./explore.ts";

type Seat = "request" | "abandoned";

export class WriterSteps {
  readonly #rules: Rules;
  readonly #setup: Setup;
  readonly #kind: WriterKind;
  readonly #at: number;
  readonly #name: string;

  constructor(rules: Rules, setup: Setup, at: number) {
    this.#rules = rules;
    this.#setup = setup;
    this.#at = at;
    this.#kind = setup.writers[at] ?? { upload: 0 };
    this.#name = `writer ${at + 1}`;
  }

  steps(state: State): Step<State>[] {
    const writer = state.writers[this.#at];
    if (writer === undefined) return [];
    const steps = [...this.#client(state, writer), ...this.#commit(state, writer, "request"), ...this.#commit(state, writer, "abandoned")];
    return this.#setup.restarts && !this.#kind.clone
      ? [...steps, ...this.#daysPass(state, writer), ...this.#restart(state, writer)]
      : steps;
  }

  // ---- the client -------------------------------------------------------------------------------------------------------------

  #client(state: State, writer: Writer): Step<State>[] {
    switch (writer.at) {
      case "reserve":
        return this.#reserve(state, writer);
      case "record": {
        const after = withProof(state, this.#kind.upload, writer.offered);
        return [step(`${this.#name}: had ${name(writer.offered)} is written down`, this.#move(after, writer, "commit"))];
      }
      case "send": {
        const key = this.#own(writer);
        const after = { ...state, objects: state.objects | only(key) };
        return [step(`${this.#name}: PUT ${name(key)}, create-only`, this.#move(after, writer, "confirm"))];
      }
      case "confirm":
        return this.#confirm(state, writer);
      case "commit":
        return this.#begin(state, writer);
      case "waiting":
        return this.#losePatience(state, writer);
      case "done":
      case "gave up":
        return [];
      default:
        return writer.at satisfies never;
    }
  }

  /** `have` for what is done, for a chunk in the index, and for one of the base; only in the first attempt. Else a ticket. */
  #reserve(state: State, writer: Writer): Step<State>[] {
    const proof = this.#proof(state);
    if (proof !== NO_KEY && this.#attemptOf(proof) >= writer.attempt)
      return [step(`${this.#name}: reserve: have ${name(proof)}`, this.#move(state, writer, "commit"))];
    const offered = writer.attempt > 1 ? NO_KEY : state.entry !== NO_KEY ? state.entry : this.#kind.base ? 0 : NO_KEY;
    // What was reserved is not proven, whatever was known of the chunk before.
    const reserved = proof === NO_KEY ? state : withProof(state, this.#kind.upload, NO_KEY);
    if (offered === NO_KEY) return [step(`${this.#name}: reserve: a ticket`, this.#move(reserved, writer, "send"))];
    return [step(`${this.#name}: reserve: have ${name(offered)}`, this.#change(state, { ...writer, at: "record", offered }))];
  }

  #confirm(state: State, writer: Writer): Step<State>[] {
    const key = this.#own(writer);
    if (!has(state.objects, key)) return [step(`${this.#name}: confirm: ${name(key)} is missing`, this.#again(state, writer))];
    const after = withProof(state, this.#kind.upload, key);
    return [step(`${this.#name}: confirm: ${name(key)} is proven`, this.#move(after, writer, "commit"))];
  }

  /**
   * The registry reads the proof; a chunk without one may be the base's. An operation that landed is answered, not refused; if the index
   * still knows it, at once.
   */
  #begin(state: State, writer: Writer): Step<State>[] {
    if (this.#kind.clone) return this.#clone(state, writer);
    const landed =
      writer.committed === NO_KEY ? [] : [step(`${this.#name}: commit: done already`, this.#change(state, over(writer, "done")))];
    const proof = this.#proof(state);
    const key = proof === NO_KEY && this.#kind.base ? 0 : proof;
    if (key !== NO_KEY) return [...landed, step(`${this.#name}: commit with ${name(key)}`, this.#start(state, writer, key))];
    return landed.length > 0 ? landed : [step(`${this.#name}: commit: unproven`, this.#again(state, writer))];
  }

  #clone(state: State, writer: Writer): Step<State>[] {
    const steps: Step<State>[] = [];
    if (state.old) steps.push(step(`${this.#name}: clones the old revision`, this.#start(state, writer, 0)));
    const key = state.writers[0]?.committed ?? NO_KEY;
    if (key !== NO_KEY) steps.push(step(`${this.#name}: clones writer 1's revision`, this.#start(state, writer, key)));
    return steps;
  }

  #losePatience(state: State, writer: Writer): Step<State>[] {
    if (!this.#setup.repeats || writer.abandoned.at !== "none") return [];
    const next = { ...writer, at: "commit", request: NO_REQUEST, abandoned: writer.request } as const;
    return [step(`${this.#name}: no answer, the commit is sent again`, this.#change(state, next))];
  }

  /** Redis keeps proofs for a day. */
  #daysPass(state: State, { at }: Writer): Step<State>[] {
    const { upload } = this.#kind;
    if (this.#proof(state) === NO_KEY || isUploadOver(this.#setup, state, upload)) return [];
    return [step(`${this.#name}: a day passes at "${at}", its proofs run out`, { ...state, proofs: state.proofs.with(upload, NO_KEY) })];
  }

  /** A new process with the same upload begins with attempt 1 again. */
  #restart(state: State, writer: Writer): Step<State>[] {
    const { at, request, abandoned } = writer;
    if (at === "done" || at === "gave up" || (request.at !== "none" && abandoned.at !== "none")) return [];
    const left = request.at === "none" ? abandoned : request;
    const next = { ...writer, at: "reserve", attempt: 1, offered: NO_KEY, request: NO_REQUEST, abandoned: left } as const;
    return [step(`${this.#name}: the client dies and starts over`, this.#change(state, next))];
  }

  // ---- the registry -----------------------------------------------------------------------------------------------------------

  #commit(state: State, writer: Writer, seat: Seat): Step<State>[] {
    const request = writer[seat];
    const who = seat === "request" ? this.#name : `${this.#name}'s first commit`;
    switch (request.at) {
      case "none":
        return [];
      case "publish":
        return [step(`${who}: PUT envelope naming ${name(request.key)}`, this.#proceed(state, writer, seat, this.#afterPublish()))];
      case "check":
        return this.#check(state, writer, seat);
      case "append": {
        // An operation is in the log once: whoever comes second finds the record that is there.
        const committed = writer.committed === NO_KEY ? request.key : writer.committed;
        const after = this.#proceed(state, { ...writer, committed }, seat, "settle");
        return [step(`${who}: ${writer.committed === NO_KEY ? "PUT log record" : "finds its record"}`, after)];
      }
      case "settle":
        return this.#settle(state, writer, seat);
      default:
        return request.at satisfies never;
    }
  }

  #check(state: State, writer: Writer, seat: Seat): Step<State>[] {
    const { key } = writer[seat];
    const who = seat === "request" ? this.#name : `${this.#name}'s first commit`;
    if (this.#passes(state, key)) {
      const next = this.#rules.publishFirst ? "append" : "publish";
      return [step(`${who}: ${name(key)} passes`, this.#proceed(state, writer, seat, next))];
    }
    const label = `${who}: ${name(key)} is refused`;
    if (seat === "abandoned") return [step(label, this.#change(state, { ...writer, abandoned: NO_REQUEST }))];
    // The bucket has the last word: an operation that landed is answered, not refused.
    const landed = writer.committed !== NO_KEY;
    return [step(label, landed ? this.#change(state, over(writer, "done")) : this.#again(state, writer))];
  }

  #passes(state: State, key: Key): boolean {
    switch (this.#rules.check) {
      case "intents":
        return !has(condemned(this.#rules, state), key);
      case "head":
        return has(state.objects, key);
      case "index":
        return state.entry === key || isOwn(this.#setup, this.#kind.upload, key);
      case "nothing":
        return true;
      default:
        return this.#rules.check satisfies never;
    }
  }

  /** The index may learn the own key: if it knew none when the chunk was reserved, which is left open here. */
  #settle(state: State, writer: Writer, seat: Seat): Step<State>[] {
    const { key } = writer[seat];
    const after = this.#change(state, seat === "request" ? over(writer, "done") : { ...writer, abandoned: NO_REQUEST });
    const who = seat === "request" ? this.#name : `${this.#name}'s first commit`;
    const answers = step(`${who}: answers`, after);
    const learns = key !== state.entry && (isOwn(this.#setup, this.#kind.upload, key) || this.#rules.keyOf === "content");
    return learns ? [answers, step(`${who}: index entry ${name(key)}, answers`, withEntry(after, key))] : [answers];
  }

  // ---- parts ------------------------------------------------------------------------------------------------------------------

  #first(): RequestStep {
    return this.#rules.publishFirst ? "publish" : "check";
  }

  #afterPublish(): RequestStep {
    return this.#rules.publishFirst ? "check" : "append";
  }

  #own({ attempt }: Writer): Key {
    return ownKey(this.#rules, this.#setup, this.#kind.upload, attempt);
  }

  /** In which attempt a proof was recorded: had in the first, an own key in its own. */
  #attemptOf(key: Key): number {
    return isOwn(this.#setup, this.#kind.upload, key) ? key - this.#kind.upload * this.#setup.attempts : 1;
  }

  #proof(state: State): Key {
    return state.proofs[this.#kind.upload] ?? NO_KEY;
  }

  #change(state: State, writer: Writer): State {
    return { ...state, writers: state.writers.with(this.#at, writer) };
  }

  #move(state: State, writer: Writer, at: ClientStep): State {
    return this.#change(state, { ...writer, at, offered: NO_KEY });
  }

  #start(state: State, writer: Writer, key: Key): State {
    return this.#change(state, { ...writer, at: "waiting", request: { at: this.#first(), key } });
  }

  #proceed(state: State, writer: Writer, seat: Seat, at: RequestStep): State {
    const request: Request = { ...writer[seat], at };
    return this.#change(state, seat === "request" ? { ...writer, request } : { ...writer, abandoned: request });
  }

  /** The next attempt, or the end of this model's patience. A clone has nothing to bring again; it can only ask again. */
  #again(state: State, writer: Writer): State {
    if (this.#kind.clone) return this.#change(state, { ...writer, at: "commit", request: NO_REQUEST });
    if (writer.attempt === this.#setup.attempts) return this.#change(state, over(writer, "gave up"));
    return this.#change(state, { ...writer, at: "reserve", attempt: writer.attempt + 1, request: NO_REQUEST });
  }
}

function over(writer: Writer, at: "done" | "gave up"): Writer {
  return { ...writer, at, attempt: 0, offered: NO_KEY, request: NO_REQUEST };
}

function name(key: Key): string {
  return `key ${key}`;
}
