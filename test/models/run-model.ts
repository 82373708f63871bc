/**
 * Does a run of collection stay safe when its steps are done by several servers at once? A lease in Redis keeps them apart only mostly:
 * Redis may forget it, a server may stand still for longer than it lasts, and a PUT that got no answer may land minutes later. The steps
 * are those of functions/registry/collect: read the run's state, do a part of the work, write what was found, write the state.
 */
import { type Model, type Step, step } from "./explore.ts";
import type { Bits } from "./state-table.ts";

export type RunRules = {
  /** A part that is scanned again is written beside the first, and all are read; or in its place. */
  parts: "beside" | "in place";
  /** Only keys that the stored intent holds are deleted, or all that the list of garbage says by then. */
  deletes: "what the intent holds" | "what the list says";
};

export const RUN_PROTOCOL: RunRules = { parts: "beside", deletes: "what the intent holds" };

export type RunSetup = {
  /** Servers that may work on the run at once. */
  servers: number;
  /** PUTs that may get no answer and land later. */
  latePuts: number;
  /** Keys that one run deletes at most. */
  garbageMax: number;
};

type Phase = "scan" | "sift" | "publish" | "rescan" | "delete" | "done";
const PHASES: readonly Phase[] = ["scan", "sift", "publish", "rescan", "delete", "done"];

/** Where the run is: the phase, the envelopes that were read already, the number of the next part. */
type Progress = { phase: Phase; cursor: number; part: number };

/** A set of keys, bit by bit; -1: the object is not there. */
type Keys = number;

/**
 * Envelopes in the order of listing. The first two are named by living revisions, and name keys 0 and 1; the first may be purged. The
 * third is one that a writer publishes while the run is under way. Keys 2 and 3 are in no revision; the writer was told `have` for 0 or 3.
 */
const ENVELOPES = 3;
const KEYS = 4;
const HAD = [0, 3];

type Objects = { live: readonly Keys[]; again: readonly Keys[]; garbage: Keys; intent: Keys; progress: Progress };
/** One PUT of the run. */
type Put = { to: "live" | "again" | "garbage"; part: number; keys: Keys } | { to: "progress"; progress: Progress };
/** What a server does next, and with what: write what it found, then where the run is. */
type Server =
  | { at: "idle" }
  | { at: "write"; put: Put; next: Progress }
  | { at: "save"; next: Progress }
  | { at: "delete"; keys: Keys; next: Progress };
type Writer = { at: "start" | "published" | "passed" | "committed" | "refused"; key: number };

export type RunState = {
  chunks: Keys;
  /** The first two revisions that were not purged. */
  living: number;
  objects: Objects;
  servers: readonly Server[];
  writer: Writer;
  late: readonly Put[];
  latePuts: number;
};

const IDLE: Server = { at: "idle" };

export function runModel(setup: RunSetup, change: Partial<RunRules> = {}): Model<RunState> {
  const rules = { ...RUN_PROTOCOL, ...change };
  const absent = new Array<Keys>(ENVELOPES).fill(-1);
  return {
    initial: {
      chunks: (1 << KEYS) - 1,
      living: 3,
      objects: { live: absent, again: absent, garbage: -1, intent: -1, progress: startOf("scan") },
      servers: new Array<Server>(setup.servers).fill(IDLE),
      writer: { at: "start", key: 0 },
      late: [],
      latePuts: setup.latePuts,
    },
    steps: (state) => [
      ...state.servers.flatMap((server, at) => serverSteps(rules, setup, state, server, at)),
      ...writerSteps(state),
      ...state.late.map((put, at) =>
        step(`a late PUT lands: ${nameOf(put)}`, landed(rules, { ...state, late: state.late.toSpliced(at, 1) }, put)),
      ),
      ...(has(state.living, 0) ? [step("the first revision is purged", { ...state, living: state.living & ~bit(0) })] : []),
    ],
    pack,
    twins: (state) => (setup.servers === 2 ? [{ ...state, servers: state.servers.toReversed() }] : []),
    broken({ chunks, living, writer }) {
      const lost = living & ~chunks & 3;
      if (lost !== 0) return "a living revision lost its chunk";
      return writer.at === "committed" && !has(chunks, writer.key) ? "a committed revision lost its chunk" : null;
    },
  };
}

function bit(key: number): Keys {
  return 1 << key;
}

function has(keys: Keys, key: number): boolean {
  return (keys & bit(key)) !== 0;
}

/** All parts together. */
function union(parts: readonly Keys[]): Keys {
  return parts.reduce((all, keys) => (keys < 0 ? all : all | keys), 0);
}

// ---- the writer -------------------------------------------------------------------------------------------------------------------

/** Publishes an envelope that names a key it was told to be there, looks at the intent, commits. */
function writerSteps(state: RunState): Step<RunState>[] {
  const { writer, objects } = state;
  const become = (at: Writer["at"], key = writer.key): RunState => ({ ...state, writer: { at, key } });
  switch (writer.at) {
    case "start":
      return HAD.map((key) => step(`writer: PUT envelope naming key ${key}`, become("published", key)));
    case "published": {
      const isCondemned = objects.intent >= 0 && has(objects.intent, writer.key);
      return [isCondemned ? step("writer: refused", become("refused")) : step("writer: passes", become("passed"))];
    }
    case "passed":
      return [step("writer: PUT log record", become("committed"))];
    case "committed":
    case "refused":
      return [];
    default:
      return writer.at satisfies never;
  }
}

// ---- servers ----------------------------------------------------------------------------------------------------------------------

function serverSteps(rules: RunRules, setup: RunSetup, state: RunState, server: Server, at: number): Step<RunState>[] {
  const who = `server ${at + 1}`;
  const become = (next: Server, after = state): RunState => ({ ...after, servers: after.servers.with(at, next) });
  switch (server.at) {
    case "idle":
      return begin(rules, setup, state, who, become);
    case "write":
      return puts(rules, state, server.put, who, (after, answered) => become(answered ? { at: "save", next: server.next } : IDLE, after));
    case "save":
      return puts(rules, state, { to: "progress", progress: server.next }, who, (after) => become(IDLE, after));
    case "delete": {
      const after = { ...state, chunks: state.chunks & ~server.keys };
      return [step(`${who}: DELETE ${names(server.keys)}`, become({ at: "save", next: server.next }, after))];
    }
    default:
      return server satisfies never;
  }
}

type Become = (next: Server, after?: RunState) => RunState;

/** Reads the state and does the part of work that it asks for. */
function begin(rules: RunRules, setup: RunSetup, state: RunState, who: string, become: Become): Step<RunState>[] {
  const { objects } = state;
  const { phase, cursor, part } = objects.progress;
  switch (phase) {
    case "scan":
    case "rescan":
      // As many envelopes as the time allows, one at least.
      return Array.from({ length: ENVELOPES - cursor }, (_, more) => {
        const end = cursor + more + 1;
        const put: Put = { to: phase === "scan" ? "live" : "again", part, keys: namedBetween(state, phase, cursor, end) };
        const next = end === ENVELOPES ? startOf(phase === "scan" ? "sift" : "delete") : { phase, cursor: end, part: part + 1 };
        return step(`${who}: ${phase}s envelopes ${cursor + 1} to ${end}`, become({ at: "write", put, next }));
      });
    case "sift": {
      const keys = firstOf(state.chunks & ~union(objects.live), setup.garbageMax);
      const put: Put = { to: "garbage", part: 0, keys };
      return [step(`${who}: sifts: ${names(keys)}`, become({ at: "write", put, next: startOf("publish") }))];
    }
    case "publish": {
      const intent = objects.intent < 0 ? objects.garbage : objects.intent;
      const after = { ...state, objects: { ...objects, intent } };
      const save = become({ at: "save", next: startOf("rescan") }, after);
      return [step(`${who}: PUT intent ${names(objects.garbage)}, create-only`, save)];
    }
    case "delete": {
      const list = rules.deletes === "what the intent holds" ? objects.garbage & objects.intent : objects.garbage;
      const keys = list & ~union(objects.again);
      return [step(`${who}: is to delete ${names(keys)}`, become({ at: "delete", keys, next: startOf("done") }))];
    }
    case "done":
      return [];
    default:
      return phase satisfies never;
  }
}

function startOf(phase: Phase): Progress {
  return { phase, cursor: 0, part: 0 };
}

/** The first scan takes all roots, the second what was written since the first began. */
function namedBetween({ living, writer }: RunState, phase: "scan" | "rescan", from: number, to: number): Keys {
  let keys = 0;
  for (let envelope = from; envelope < to; envelope++) {
    if (envelope < 2 && phase === "scan" && has(living, envelope)) keys |= bit(envelope);
    if (envelope === 2 && writer.at !== "start") keys |= bit(writer.key);
  }
  return keys;
}

/** A PUT is answered, or its answer is lost and it lands later, or never. */
function puts(
  rules: RunRules,
  state: RunState,
  put: Put,
  who: string,
  go: (after: RunState, answered: boolean) => RunState,
): Step<RunState>[] {
  const answered = step(`${who}: PUT ${nameOf(put)}`, go(landed(rules, state, put), true));
  if (state.latePuts === 0) return [answered];
  const late = { ...state, late: [...state.late, put], latePuts: state.latePuts - 1 };
  return [answered, step(`${who}: PUT ${nameOf(put)}, no answer`, go(late, false))];
}

function landed(rules: RunRules, state: RunState, put: Put): RunState {
  const { objects } = state;
  if (put.to === "progress") return { ...state, objects: { ...objects, progress: put.progress } };
  if (put.to === "garbage") return { ...state, objects: { ...objects, garbage: put.keys } };
  const before = Math.max(0, objects[put.to][put.part] ?? 0);
  const keys = rules.parts === "beside" ? before | put.keys : put.keys;
  return { ...state, objects: { ...objects, [put.to]: objects[put.to].with(put.part, keys) } };
}

function firstOf(keys: Keys, count: number): Keys {
  let first = 0;
  let left = count;
  for (let key = 0; key < KEYS && left > 0; key++) {
    if (!has(keys, key)) continue;
    first |= bit(key);
    left--;
  }
  return first;
}

function names(keys: Keys): string {
  const list = Array.from({ length: KEYS }, (_, key) => key).filter((key) => keys >= 0 && has(keys, key));
  return list.length === 0 ? "no key" : `key ${list.join(", ")}`;
}

function nameOf(put: Put): string {
  if (put.to === "progress") return `state: ${put.progress.phase}, part ${put.progress.part}`;
  return put.to === "garbage" ? `garbage: ${names(put.keys)}` : `${put.to} part ${put.part}: ${names(put.keys)}`;
}

// ---- encoding ---------------------------------------------------------------------------------------------------------------------

const WRITER_CODES: Record<Writer["at"], number> = { start: 0, published: 1, passed: 2, committed: 3, refused: 4 };
const SERVER_CODES: Record<Server["at"], number> = { idle: 0, write: 1, save: 2, delete: 3 };
const PUT_CODES: Record<Put["to"], number> = { live: 0, again: 1, garbage: 2, progress: 3 };
const LATE_MAX = 2;

function pack({ chunks, living, objects, servers, writer, late, latePuts }: RunState, bits: Bits): void {
  bits.put(chunks, KEYS);
  bits.put(living, 2);
  for (const keys of [...objects.live, ...objects.again, objects.garbage, objects.intent]) bits.put(keys + 1, KEYS + 1);
  packProgress(objects.progress, bits);
  bits.put(WRITER_CODES[writer.at], 3);
  bits.put(writer.key, 2);
  bits.put(latePuts, 2);
  for (let at = 0; at < LATE_MAX; at++) packPut(late[at], bits);
  for (const server of servers) {
    bits.put(SERVER_CODES[server.at], 2);
    packPut(server.at === "write" ? server.put : undefined, bits);
    bits.put(server.at === "delete" ? server.keys : 0, KEYS);
    packProgress(server.at === "idle" ? undefined : server.next, bits);
  }
}

function packProgress(progress: Progress | undefined, bits: Bits): void {
  bits.put(progress === undefined ? 0 : PHASES.indexOf(progress.phase) + 1, 3);
  bits.put(progress?.cursor ?? 0, 2);
  bits.put(progress?.part ?? 0, 2);
}

function packPut(put: Put | undefined, bits: Bits): void {
  bits.put(put === undefined ? 0 : PUT_CODES[put.to] + 1, 3);
  bits.put(put === undefined || put.to === "progress" ? 0 : put.part, 2);
  bits.put(put === undefined || put.to === "progress" ? 0 : put.keys, KEYS);
  packProgress(put?.to === "progress" ? put.progress : undefined, bits);
}
