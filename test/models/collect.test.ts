import { test } from "node:test";
import { collectModel, type Rules, type Setup } from "./collect-model.ts";
import { condemned, has, NO_KEY, PROTOCOL } from "./collect-state.ts";
import { assertHolds, assertKilled, assertReaches, type Mutant, mutant } from "./report.ts";

/** Two pushes and one collection; the old revision may be purged; Redis forgets or goes back once, at any moment; DELETEs land late. */
const TWO: Setup = {
  writers: [{ upload: 0 }, { upload: 1 }],
  attempts: 2,
  collections: 1,
  losses: 1,
  purge: true,
  restarts: false,
  repeats: false,
};
const ONE: Setup = { ...TWO, writers: [{ upload: 0 }] };
const SHARED: Setup = { ...TWO, writers: [{ upload: 0 }, { upload: 0 }] };
const CLONE: Setup = {
  ...TWO,
  writers: [
    { upload: 0, base: true },
    { upload: 1, clone: true },
  ],
};
const INTENT_GOES: Partial<Rules> = { intentGoes: "when uploads are over" };

const SETUPS: Record<string, [Setup, Partial<Rules>?]> = {
  "two writers": [TWO],
  "two writers, and the intent goes after 30 days": [TWO, INTENT_GOES],
  "two pushes of one caller that share an upload": [SHARED],
  "the purged revision is the base of a push, and cloned": [CLONE],
  "a client dies and starts over, proofs run out, commits are sent again with another placement": [
    { ...ONE, writers: [{ upload: 0, base: true }], restarts: true, repeats: true },
  ],
  "a commit is sent again while the first still runs": [{ ...ONE, repeats: true }],
  "two collections at once": [{ ...ONE, collections: 2 }],
  "Redis loses twice": [{ ...ONE, losses: 2 }],
  "commits that read finals too": [TWO, { narrowByFinal: true }],
};
for (const [name, [setup, rules]] of Object.entries(SETUPS)) {
  test(`F37: no committed revision loses a chunk: ${name}`, (t) => assertHolds(t, collectModel(setup, rules)));
}

const SOAK: Record<string, [Setup, Partial<Rules>?]> = {
  "two writers, two collections": [{ ...TWO, collections: 2 }],
  "two writers, two losses": [{ ...TWO, losses: 2 }],
  "two pushes of one upload, two collections": [{ ...SHARED, collections: 2 }],
  "commits of two writers sent again": [{ ...TWO, repeats: true }],
  "a client that starts over at will": [{ ...ONE, restarts: true, repeats: true }],
  "clone and base, two collections, the intents go": [{ ...CLONE, collections: 2 }, INTENT_GOES],
};
for (const [name, [setup, rules]] of Object.entries(SOAK)) {
  const skip = process.env["SOAK"] === "1" ? false : "minutes and gigabytes: SOAK=1 runs it";
  test(`no committed revision loses a chunk, at length: ${name}`, { skip, timeout: 3_600_000 }, (t) => {
    assertHolds(t, collectModel(setup, rules), { statesMax: 100_000_000 });
  });
}

const GOALS: Record<string, Setup> = {
  "a push, three attempts": { ...ONE, attempts: 3 },
  "two pushes, three attempts": { ...TWO, attempts: 3 },
  "two pushes of one upload, which may write over each other's proofs, five attempts": { ...SHARED, attempts: 5 },
};
for (const [name, setup] of Object.entries(GOALS)) {
  test(`whatever happened, the content can be pushed again: ${name}`, (t) => assertHolds(t, collectModel(setup, {}, { goal: true })));
}

test("a clone of a key that the second look saved goes through, if commits read finals", (t) => {
  const setup = { ...CLONE, writers: [{ upload: 0 }, { upload: 1, clone: true }], attempts: 3 };
  assertHolds(t, collectModel(setup, { narrowByFinal: true }, { goal: true }));
  assertKilled(t, [mutant("only intents are read", collectModel(setup, {}, { goal: true }), { verdict: "stuck" })]);
});

test("the model of collection is no stand-still", () => {
  const model = collectModel(TWO);
  assertReaches(model, "a condemned key is brought again under a fresh one, and committed", (state) => {
    return state.writers.some(({ committed }) => committed > 0) && has(condemned(PROTOCOL, state), 0) && !has(state.objects, 0);
  });
  assertReaches(model, "a DELETE is in flight when a revision is committed", ({ inFlight, writers }) => {
    return inFlight !== 0 && writers.some(({ committed }) => committed !== NO_KEY);
  });
  assertReaches(model, "Redis brings back the entry of a deleted object", ({ entry, objects, losses }) => {
    return losses === 0 && entry !== NO_KEY && !has(objects, entry);
  });
  assertReaches(model, "the second look saves a key that a commit published in between", (state) => {
    return !state.old && has(condemned(PROTOCOL, state), 0) && state.collections[0]?.at === "retire" && has(state.objects, 0);
  });
});

function unsafe(name: string, change: Partial<Rules>, setup = ONE): Mutant {
  return mutant(name, collectModel(setup, change), { problem: /lost its chunk/ });
}

test("F37: each rule of commit and collection is needed", (t) => {
  assertKilled(t, [
    unsafe("the envelope is written after the look at intents", { publishFirst: false }),
    unsafe("commits look at nothing", { check: "nothing" }),
    unsafe("commits HEAD the object instead of reading intents", { check: "head" }),
    unsafe("commits HEAD the object before they publish", { check: "head", publishFirst: false }),
    unsafe("commits trust the index alone", { check: "index" }),
    unsafe("collection announces nothing", { announce: "never" }),
    unsafe("collection announces after its second look", { announce: "after the second look" }),
    unsafe("collection does not look again", { secondLook: false }),
    unsafe("collection deletes what only the second look found", { finalFrom: "second look" }),
    unsafe("pending envelopes are no roots", { pendingIsRoot: false }),
    unsafe("a reference keeps any variant of its key", { exactKeys: false }),
    unsafe("an intent is written twice, servers keep the first", { intentWrittenOnce: false }),
    unsafe("intents go when the deletes were sent", { intentGoes: "when its deletes were sent" }),
    unsafe("intents go 30 days after they were published, whatever lives", { intentGoes: "after 30 days, uploads or not" }),
    unsafe("intents go, the index is scrubbed only before the deletes", { ...INTENT_GOES, scrubIndex: "before the deletes" }),
    unsafe("intents go, the index is never scrubbed", { ...INTENT_GOES, scrubIndex: "never" }),
    unsafe("content addresses as keys, intents go when the deletes were sent", {
      keyOf: "content",
      intentGoes: "when its deletes were sent",
    }),
    unsafe("no second look, with two writers", { secondLook: false }, TWO),
    unsafe("no second look, shared upload", { secondLook: false }, SHARED),
  ]);
});

test("keys that are used again are safe as long as intents are kept, but the content can never be pushed again", (t) => {
  const reused: [string, Partial<Rules>][] = [
    ["one key for the content", { keyOf: "content" }],
    ["one key for an upload, whatever the attempt", { keyOf: "upload" }],
  ];
  for (const [, change] of reused) assertHolds(t, collectModel(ONE, change));
  const setup = { ...ONE, attempts: 3 };
  assertKilled(
    t,
    reused.map(([name, change]) => mutant(name, collectModel(setup, change, { goal: true }), { verdict: "stuck" })),
  );
});
