import { test } from "node:test";
import { envelopeModel } from "./envelope-model.ts";
import { assertHolds, assertKilled, assertReaches, mutant } from "./report.ts";

test("a committed revision keeps its envelope: commits asked for again for days, collection in steps that lie days apart", (t) => {
  assertHolds(t, envelopeModel());
});

test("either is enough: to read the logs last, or to take the envelopes' age when the look began", (t) => {
  assertHolds(t, envelopeModel({ reads: "logs, then envelopes" }));
  assertHolds(t, envelopeModel({ age: "when envelopes are listed" }));
});

test("the model of envelopes is no stand-still", () => {
  assertReaches(envelopeModel(), "an old envelope is deleted while a later one is committed", ({ committed, written, day }) => {
    return day > 3 && committed > 0 && written[0] === -1;
  });
  assertReaches(envelopeModel(), "a DELETE is in flight when a commit is asked for again", ({ calls, inFlight }) => {
    return inFlight !== 0 && calls.some(({ at }) => at === "published");
  });
});

test("F37: each rule about envelopes is needed", (t) => {
  const problem = /lost its envelope/;
  assertKilled(t, [
    mutant("the key does not say the day", envelopeModel({ key: "of the content" }), { problem }),
    mutant("a commit may dawdle for days after it published", envelopeModel({ commitIsShort: false }), { problem }),
    mutant("an envelope counts for one day only", envelopeModel({ pendingDays: 1 }), { problem }),
    mutant(
      "logs are read first, and ages taken when envelopes are listed",
      envelopeModel({
        reads: "logs, then envelopes",
        age: "when envelopes are listed",
      }),
      { problem },
    ),
  ]);
});
