/** How the tests of the models judge and print what the checker found. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { explore, type Model, type Outcome } from "./explore.ts";

/** A model with one rule broken. Models of different states stand in one list, so what is kept is the walk. */
export type Mutant = { name: string; verdict: "broken" | "stuck"; problem?: RegExp; run: () => Outcome };

export function mutant<S>(name: string, model: Model<S>, expected: { verdict?: "broken" | "stuck"; problem?: RegExp } = {}): Mutant {
  return { name, verdict: "broken", ...expected, run: () => explore(model) };
}

/** Nothing goes wrong in any reachable state, and the goal, if the model has one, is always within reach. */
export function assertHolds<S>(t: TestContext, model: Model<S>, options: { statesMax?: number } = {}): void {
  const startedMs = performance.now();
  const outcome = explore(model, options);
  assert.equal(outcome.verdict, "holds", describe(outcome));
  t.diagnostic(`${t.name}: ${count(outcome.states)} states, ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
}

/** The model is no stand-still: it comes to a state like this. Returns the shortest way. */
export function assertReaches<S>(model: Model<S>, what: string, holds: (state: S) => boolean): string[] {
  const outcome = explore({ ...model, broken: (state) => (holds(state) ? what : null) });
  assert.ok(outcome.verdict === "broken", `never: ${what}`);
  return outcome.trace;
}

/** Every mutant must be found out. */
export function assertKilled(t: TestContext, mutants: readonly Mutant[]): void {
  const survivors: string[] = [];
  for (const { name, verdict, problem, run } of mutants) {
    const outcome = run();
    const killed = outcome.verdict === verdict && (problem === undefined || problem.test(outcome.problem));
    if (!killed) survivors.push(`${name}: ${describe(outcome)}`);
    if ("trace" in outcome) t.diagnostic(`${name}: ${outcome.problem}, ${outcome.trace.length} steps (${count(outcome.states)} states)`);
  }
  t.diagnostic(`${t.name}: mutants killed ${mutants.length - survivors.length}/${mutants.length}`);
  assert.deepEqual(survivors, []);
}

function describe(outcome: Outcome): string {
  if (!("trace" in outcome)) return `${outcome.verdict}, ${count(outcome.states)} states`;
  return [outcome.problem, ...outcome.trace.map((label, at) => `${at + 1}. ${label}`)].join("\n");
}

function count(states: number): string {
  return states.toLocaleString("en");
}
