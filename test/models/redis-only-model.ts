/**
 * Why collection's flags are in the bucket: the best that can be built with flags in Redis alone, and where it loses an acknowledged
 * version. A chunk has one key and one state in Redis: live, condemned, being deleted, or none. Reserving rescues a condemned chunk, a
 * commit demands a live one, collection claims what it condemned; each of these is one atomic script.
 */
import { type Model, type Step, step } from "./explore.ts";
import type { Bits } from "./state-table.ts";

export type RedisOnlySetup = {
  writers: number;
  collections: number;
  /** How often Redis loses or brings back what it holds. */
  losses: number;
  /** A DELETE may get no answer, and land at any later time. */
  lateDeletes: boolean;
  /** What a run condemned only it may claim. */
  ownClaims: boolean;
  /** The commit's look at the chunk's state and the commit are one step. */
  atomicCommit: boolean;
};

/** "condemned" is followed by the run, when claims are a run's own. */
type ChunkState = "none" | "live" | "deleting" | `condemned${"" | " by 1" | " by 2"}`;
const CHUNK_STATES: readonly ChunkState[] = ["none", "live", "deleting", "condemned", "condemned by 1", "condemned by 2"];

type Writer = { at: "reserve" | "send" | "commit" | "checked" | "committed" | "acknowledged" };
type Run = { at: "scan" | "condemn" | "look again" | "claim" | "delete" | "forget" | "over" };

export type RedisOnlyState = {
  object: boolean;
  old: boolean;
  chunk: ChunkState;
  /** Earlier states, bit by bit: what a rollback may bring back. */
  past: number;
  losses: number;
  inFlight: boolean;
  writers: readonly Writer[];
  runs: readonly Run[];
};

export function redisOnlyModel(setup: RedisOnlySetup): Model<RedisOnlyState> {
  return {
    initial: {
      object: true,
      old: true,
      chunk: "live",
      past: 0,
      losses: setup.losses,
      inFlight: false,
      writers: new Array<Writer>(setup.writers).fill({ at: "reserve" }),
      runs: new Array<Run>(setup.collections).fill({ at: "scan" }),
    },
    steps: (state) => [
      ...(state.old ? [step("the old version is purged", { ...state, old: false })] : []),
      ...(state.inFlight ? [step("the DELETE in flight lands", { ...state, inFlight: false, object: false })] : []),
      ...(state.losses > 0 ? losses(state) : []),
      ...state.writers.flatMap((_, at) => writerSteps(setup, state, at)),
      ...state.runs.flatMap((_, at) => runSteps(setup, state, at)),
    ],
    broken({ object, old, writers }) {
      if (object) return null;
      if (old) return "the old version lost its chunk";
      return writers.some(({ at }) => at === "acknowledged") ? "an acknowledged version lost its chunk" : null;
    },
    pack,
  };
}

function losses(state: RedisOnlyState): Step<RedisOnlyState>[] {
  return CHUNK_STATES.flatMap((chunk, code) => {
    const possible = chunk === "none" || (state.past & (1 << code)) !== 0;
    return possible && chunk !== state.chunk ? [step(`Redis goes back to: ${chunk}`, { ...state, chunk, losses: state.losses - 1 })] : [];
  });
}

function isReferenced({ old, writers }: RedisOnlyState): boolean {
  return old || writers.some(({ at }) => at === "committed" || at === "acknowledged");
}

function becoming(state: RedisOnlyState, chunk: ChunkState): RedisOnlyState {
  return { ...state, chunk, past: state.past | (1 << CHUNK_STATES.indexOf(state.chunk)) };
}

function writerSteps({ atomicCommit }: RedisOnlySetup, state: RedisOnlyState, index: number): Step<RedisOnlyState>[] {
  const at = state.writers[index]?.at ?? "acknowledged";
  const go = (what: string, after: RedisOnlyState, next: Writer["at"]): Step<RedisOnlyState>[] => [
    step(`writer ${index + 1}: ${what}`, { ...after, writers: after.writers.with(index, { at: next }) }),
  ];
  switch (at) {
    case "reserve":
      if (state.chunk === "live") return go("reserve: have", state, "commit");
      if (state.chunk === "none") return go("reserve: a ticket", state, "send");
      return state.chunk === "deleting" ? [] : go("reserve: rescued", becoming(state, "live"), "commit");
    case "send":
      return go("PUT, confirmed: live", { ...becoming(state, "live"), object: true }, "commit");
    case "commit":
      if (state.chunk !== "live") return go("commit refused", state, "reserve");
      return atomicCommit ? go("commits", state, "committed") : go("sees it live", state, "checked");
    case "checked":
      return go("commits", state, "committed");
    case "committed":
      return go("acknowledged", state, "acknowledged");
    case "acknowledged":
      return [];
    default:
      return at satisfies never;
  }
}

function runSteps({ ownClaims, lateDeletes }: RedisOnlySetup, state: RedisOnlyState, index: number): Step<RedisOnlyState>[] {
  const at = state.runs[index]?.at ?? "over";
  const mark: ChunkState = !ownClaims ? "condemned" : index === 0 ? "condemned by 1" : "condemned by 2";
  const go = (what: string, after: RedisOnlyState, next: Run["at"]): Step<RedisOnlyState>[] => [
    step(`collection ${index + 1}: ${what}`, { ...after, runs: after.runs.with(index, { at: next }) }),
  ];
  switch (at) {
    case "scan":
      return state.object && !isReferenced(state) ? go("scan: unreferenced", state, "condemn") : [];
    case "condemn":
      if (state.chunk === "live" || state.chunk === "none") return go("condemns it", becoming(state, mark), "look again");
      return go("finds it marked", state, "look again");
    case "look again":
      return isReferenced(state) ? go("second look: referenced", state, "over") : go("second look: unreferenced", state, "claim");
    case "claim":
      return state.chunk === mark ? go("claims it", becoming(state, "deleting"), "delete") : go("claim refused", state, "over");
    case "delete": {
      const deletes = go("DELETE", { ...state, object: false }, "forget");
      return lateDeletes ? [...deletes, ...go("DELETE, no answer", { ...state, inFlight: true }, "forget")] : deletes;
    }
    case "forget":
      return go("forgets it", state.chunk === "deleting" ? becoming(state, "none") : state, "over");
    case "over":
      return [];
    default:
      return at satisfies never;
  }
}

const WRITER_CODES: Record<Writer["at"], number> = { reserve: 0, send: 1, commit: 2, checked: 3, committed: 4, acknowledged: 5 };
const RUN_CODES: Record<Run["at"], number> = { scan: 0, condemn: 1, "look again": 2, claim: 3, delete: 4, forget: 5, over: 6 };

function pack({ object, old, chunk, past, losses, inFlight, writers, runs }: RedisOnlyState, bits: Bits): void {
  bits.put((object ? 1 : 0) | (old ? 2 : 0) | (inFlight ? 4 : 0), 3);
  bits.put(CHUNK_STATES.indexOf(chunk), 3);
  bits.put(losses > 0 ? past : 0, 6);
  bits.put(losses, 2);
  for (const { at } of writers) bits.put(WRITER_CODES[at], 3);
  for (const { at } of runs) bits.put(RUN_CODES[at], 3);
}
