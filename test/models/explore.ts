/**
 * A small explicit-state model checker. It walks every state that a model can reach, breadth first, so the first broken state that it
 * meets is one of the nearest. A crash needs no step of its own: a process that never moves again is among the interleavings.
 */
import { Bits, StateTable, Words } from "./state-table.ts";

/** Something that some process, the network or time may do next. */
export type Step<S> = { label: string; next: S };

export function step<S>(label: string, next: S): Step<S> {
  return { label, next };
}

/** States are plain immutable values. */
export type Model<S> = {
  initial: S;
  steps(state: S): readonly Step<S>[];
  /** Writes what tells states apart. */
  pack(state: S, bits: Bits): void;
  /** The same state under other names (two equal processes swapped): one of them is kept for all. */
  twins?(state: S): readonly S[];
  /** What must never be; null: nothing is wrong. */
  broken(state: S): string | null;
  /** What must stay possible: from every state that can be reached, a state with this can be reached. */
  goal?(state: S): boolean;
};

export type Outcome =
  | { verdict: "holds"; states: number }
  /** `broken`: the trace ends in a state that must never be. `stuck`: it ends in a state from which the goal is out of reach. */
  | { verdict: "broken" | "stuck"; states: number; problem: string; trace: string[] }
  | { verdict: "too large"; states: number };

export function explore<S>(model: Model<S>, { statesMax = 3_000_000 } = {}): Outcome {
  return new Exploration(model).run(statesMax);
}

class Exploration<S> {
  readonly #model: Model<S>;
  readonly #seen = new StateTable();
  /** By number of state: the one that it was first reached from. */
  readonly #parents = new Words();
  /** Pairs from, to; kept only for goals. */
  readonly #edges = new Words();
  readonly #goals: number[] = [];
  /** The row that is being looked for, and one to compare it with. */
  #row = new Bits();
  #other = new Bits();

  constructor(model: Model<S>) {
    this.#model = model;
  }

  run(statesMax: number): Outcome {
    const { initial, goal, broken } = this.#model;
    this.#meet(initial, 0);
    let level = [initial];
    for (let first = 0; level.length > 0; ) {
      const next: S[] = [];
      for (const [at, state] of level.entries()) {
        const problem = broken(state);
        if (problem !== null) return { verdict: "broken", states: this.#seen.size, problem, trace: this.#traceTo(first + at) };
        if (goal?.(state)) this.#goals.push(first + at);
        this.#expand(state, first + at, next);
      }
      if (this.#seen.size > statesMax) return { verdict: "too large", states: this.#seen.size };
      first += level.length;
      level = next;
    }
    return goal === undefined ? { verdict: "holds", states: this.#seen.size } : this.#judgeGoal();
  }

  #expand(state: S, number: number, next: S[]): void {
    for (const { next: after } of this.#model.steps(state)) {
      const met = this.#meet(after, number);
      if (met >= 0) next.push(after);
      if (this.#model.goal === undefined) continue;
      this.#edges.push(number);
      this.#edges.push(met >= 0 ? met : -met - 1);
    }
  }

  #meet(state: S, from: number): number {
    const number = this.#seen.add(this.#rowOf(state));
    if (number >= 0) this.#parents.push(from);
    return number;
  }

  /** The least row of the state and its twins. */
  #rowOf(state: S): Bits {
    this.#pack(state, this.#row);
    for (const twin of this.#model.twins?.(state) ?? []) {
      this.#pack(twin, this.#other);
      if (this.#other.isLessThan(this.#row)) [this.#row, this.#other] = [this.#other, this.#row];
    }
    return this.#row;
  }

  #pack(state: S, bits: Bits): void {
    bits.clear();
    this.#model.pack(state, bits);
  }

  /** Walks back from the goals; what that walk does not meet can never come to one. */
  #judgeGoal(): Outcome {
    const into = sourcesOf(this.#edges, this.#seen.size);
    const reaching = new Uint8Array(this.#seen.size);
    const open = [...this.#goals];
    for (const state of open) reaching[state] = 1;
    for (let state = open.pop(); state !== undefined; state = open.pop()) {
      for (const source of into(state)) {
        if (reaching[source] === 1) continue;
        reaching[source] = 1;
        open.push(source);
      }
    }
    const stuck = reaching.indexOf(0);
    const states = this.#seen.size;
    if (stuck < 0) return { verdict: "holds", states };
    return { verdict: "stuck", states, problem: "the goal is out of reach for good", trace: this.#traceTo(stuck) };
  }

  /** Labels of the steps to a state: the numbers on the way are known, so the walk is made once more along them. */
  #traceTo(number: number): string[] {
    const way: number[] = [];
    for (let at = number; at !== 0; at = this.#parents.at(at)) way.unshift(at);
    const trace: string[] = [];
    let state = this.#model.initial;
    for (const wanted of way) {
      const found = this.#model.steps(state).find(({ next }) => this.#seen.numberOf(this.#rowOf(next)) === wanted);
      if (found === undefined) throw new Error("a model's steps must depend on nothing but the state");
      trace.push(found.label);
      state = found.next;
    }
    return trace;
  }
}

/** For each state, the states with a step to it. */
function sourcesOf(edges: Words, states: number): (state: number) => Iterable<number> {
  const heads = new Int32Array(states).fill(-1);
  const nexts = new Int32Array(edges.length / 2);
  for (let edge = 0; edge < nexts.length; edge++) {
    const to = edges.at(edge * 2 + 1);
    nexts[edge] = heads[to] ?? -1;
    heads[to] = edge;
  }
  return function* (state) {
    for (let edge = heads[state] ?? -1; edge >= 0; edge = nexts[edge] ?? -1) yield edges.at(edge * 2);
  };
}
