/**
 * Commits, deduplication and collection around one chunk: what there is in a state, and which rules the processes keep.
 *
 * One chunk is enough: collection judges every key for itself, and a revision lacks its chunk or does not. Times are left out: whatever
 * is not bounded may take any time, and each bound that safety rests on is an explicit assumption where it is used:
 *   - a request that published its envelope commits within minutes or never, while the envelope counts for 72 h (registry/publish.ts);
 *   - an upload lives at most 7 days (registry/sessions.ts), an intent is kept at least 30;
 *   - no copy of Redis that is weeks old is brought back into a generation that is in use.
 */

/**
 * The object that holds the chunk, as one key among all that ever may. 0: the old revision's. The others are the uploads' own: one for
 * each attempt, in order. No two uploads share a key, and none is named anew after collection deleted it, but by its own upload.
 */
export type Key = number;
/** A set of keys, bit by bit. */
export type Keys = number;
export const NO_KEY: Key = -1;

export type Rules = {
  /** The envelope is written before the writer looks at what is condemned. */
  publishFirst: boolean;
  /** What a commit asks about each key: the intents, a HEAD of the object, whether the index still names it, or nothing. */
  check: "intents" | "head" | "index" | "nothing";
  /** Whose a key is: "attempt" (as built), one for all attempts of an upload, or one for all the world (a plain content address). */
  keyOf: "attempt" | "upload" | "content";
  /** Whether a collection announces its intent, and when. */
  announce: "before the second look" | "after the second look" | "never";
  /** A second look at what is referenced, after the intent. */
  secondLook: boolean;
  /** What a collection deletes: what it announced less what the second look found, or all that the second look found unreferenced. */
  finalFrom: "intent" | "second look";
  /** Published envelopes without a record count as references. */
  pendingIsRoot: boolean;
  /** A reference keeps the key that the placement names; otherwise any one object of that chunk. */
  exactKeys: boolean;
  /** An intent object is never written twice: a collection that starts over takes what is there. */
  intentWrittenOnce: boolean;
  /** When an intent may go. "kept": not at all in this model's time. */
  intentGoes: "kept" | "when uploads are over" | "after 30 days, uploads or not" | "when its deletes were sent";
  /** The index entry is dropped before the deletes, and again a week before the intent goes. */
  scrubIndex: "before the deletes and before the intent goes" | "before the deletes" | "never";
  /** After the second look only what is left of an intent is refused. */
  narrowByFinal: boolean;
};

/** As the registry builds it and collection must. */
export const PROTOCOL: Rules = {
  publishFirst: true,
  check: "intents",
  keyOf: "attempt",
  announce: "before the second look",
  secondLook: true,
  finalFrom: "intent",
  pendingIsRoot: true,
  exactKeys: true,
  intentWrittenOnce: true,
  intentGoes: "kept",
  scrubIndex: "before the deletes and before the intent goes",
  narrowByFinal: false,
};

/**
 * A push of the chunk by one client. Two writers may share an upload (two pushes of one caller to one branch). `base`: the old revision
 * is its base or parent, so its placement is known to the writer for as long as the upload lives. `clone`: has no bytes, but a revision
 * to take them from, the old one or the first writer's.
 */
export type WriterKind = { upload: number; base?: boolean; clone?: boolean };

export type Setup = {
  writers: readonly WriterKind[];
  /** How often each client brings the chunk again before it gives up. */
  attempts: number;
  collections: number;
  /** How often Redis loses or brings back what it holds. */
  losses: number;
  /** The old revision may be purged. */
  purge: boolean;
  /** Clients may die and start over with the same upload, and proofs may run out (24 h). */
  restarts: boolean;
  /** Clients may lose patience with a commit and send it again while the first still runs. */
  repeats: boolean;
};

export type ClientStep = "reserve" | "record" | "send" | "confirm" | "commit" | "waiting" | "done" | "gave up";
export type RequestStep = "none" | "publish" | "check" | "append" | "settle";

/** One commit call inside the registry. It runs to its end, also when nobody waits for it. */
export type Request = { at: RequestStep; key: Key };

export type Writer = {
  at: ClientStep;
  attempt: number;
  /** What the registry is about to write down as `had`. */
  offered: Key;
  /** Key in the placement of this writer's revision: its record is in the log. */
  committed: Key;
  /** The commit that the client waits for, and one that it no longer waits for. */
  request: Request;
  abandoned: Request;
};

/** What the run does next. */
export type CollectionStep = "scan" | "announce" | "look again" | "unindex" | "delete" | "scrub" | "retire" | "gone";

export type Collection = {
  at: CollectionStep;
  /** Candidates, then what is left to be deleted. */
  keys: Keys;
  intent: Keys;
  /** Of `intent`, what the second look left. */
  final: Keys;
  /** What one server's cache holds of an intent that is written a second time; only for the mutant that does so. */
  cached: Keys;
};

export type State = {
  objects: Keys;
  /** DELETEs whose answer was lost: each lands at any later time. */
  inFlight: Keys;
  /** The old revision is there. */
  old: boolean;
  /** The index entry of the chunk. */
  entry: Key;
  /** Every earlier value of the entry, bit `key + 1`: what a rollback may bring back. */
  entryPast: number;
  /** By upload, what Redis knows to be proven (an own key) or had (another's); and its earlier values. */
  proofs: readonly Key[];
  proofsPast: readonly number[];
  losses: number;
  writers: readonly Writer[];
  collections: readonly Collection[];
};

export const NO_REQUEST: Request = { at: "none", key: NO_KEY };

export function initialState(setup: Setup): State {
  const uploads = new Set(setup.writers.map((writer) => writer.upload)).size;
  const writer: Writer = { at: "reserve", attempt: 1, offered: NO_KEY, committed: NO_KEY, request: NO_REQUEST, abandoned: NO_REQUEST };
  return {
    objects: only(0),
    inFlight: 0,
    old: true,
    entry: 0,
    entryPast: 0,
    proofs: new Array<Key>(uploads).fill(NO_KEY),
    proofsPast: new Array<number>(uploads).fill(0),
    losses: setup.losses,
    writers: setup.writers.map((kind) => (kind.clone ? { ...writer, at: "commit" } : writer)),
    collections: new Array<Collection>(setup.collections).fill({ at: "scan", keys: 0, intent: 0, final: 0, cached: 0 }),
  };
}

export function only(key: Key): Keys {
  return key === NO_KEY ? 0 : 1 << key;
}

export function has(keys: Keys, key: Key): boolean {
  return (keys & only(key)) !== 0;
}

export function eachOf(keys: Keys): Key[] {
  const found: Key[] = [];
  for (let key = 0; 1 << key <= keys; key++) if (has(keys, key)) found.push(key);
  return found;
}

/** The key that a ticket of this upload and attempt is for. */
export function ownKey(rules: Rules, setup: Setup, upload: number, attempt: number): Key {
  if (rules.keyOf === "content") return 0;
  return 1 + upload * setup.attempts + (rules.keyOf === "upload" ? 0 : attempt - 1);
}

export function isOwn(setup: Setup, upload: number, key: Key): boolean {
  return key > upload * setup.attempts && key <= (upload + 1) * setup.attempts;
}

/** Neither its client nor a commit of its will do anything any more. */
export function isOver({ at, abandoned }: Writer): boolean {
  return (at === "done" || at === "gave up") && abandoned.at === "none";
}

/** Nobody will look at the upload's proofs any more. */
export function isUploadOver(setup: Setup, state: State, upload: number): boolean {
  return state.writers.every((writer, at) => setup.writers[at]?.upload !== upload || writer.at === "done" || writer.at === "gave up");
}

/**
 * Keys that envelopes without a record name: those of commits under way, as long as these run. Any other is taken to be past its 72 h
 * already, which is the worst that may be.
 */
function pending(rules: Rules, { at, key }: Request): Keys {
  const isPublished = at === "append" || at === "settle" || (at === "check" && rules.publishFirst);
  return isPublished ? only(key) : 0;
}

/** Keys that a scan of envelopes and logs finds referenced. */
export function referenced(rules: Rules, state: State): Keys {
  let named = state.old ? only(0) : 0;
  for (const { request, abandoned, committed } of state.writers) {
    named |= only(committed);
    if (rules.pendingIsRoot) named |= pending(rules, request) | pending(rules, abandoned);
  }
  if (rules.exactKeys || named === 0) return named;
  const [first = NO_KEY] = eachOf(state.objects);
  return only(first);
}

export function condemned(rules: Rules, state: State): Keys {
  let keys = 0;
  for (const { at, intent, final, cached } of state.collections) {
    if (at === "gone") continue;
    const looked = at !== "scan" && at !== "announce" && at !== "look again";
    keys |= rules.narrowByFinal && looked ? final : cached !== 0 ? cached : intent;
  }
  return keys;
}

/** A new value of the entry; the old one stays within reach of a rollback. */
export function withEntry(state: State, entry: Key): State {
  return { ...state, entry, entryPast: state.entryPast | (1 << (state.entry + 1)) };
}

export function withProof(state: State, upload: number, proof: Key): State {
  const past = (state.proofsPast[upload] ?? 0) | (1 << ((state.proofs[upload] ?? NO_KEY) + 1));
  return { ...state, proofs: state.proofs.with(upload, proof), proofsPast: state.proofsPast.with(upload, past) };
}
