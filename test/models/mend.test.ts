import { test } from "node:test";
import { mendModel } from "./mend-model.ts";
import { assertHolds, assertKilled, assertReaches, mutant } from "./report.ts";

test("F37: a revision that is mended beside collection and a purge never lacks its envelope or a chunk that it names", (t) => {
  assertHolds(t, mendModel());
});

test("the model of mending is no stand-still", () => {
  assertReaches(
    mendModel(),
    "the revision is mended, its old envelope and the needless copy are gone",
    ({ current, envelopes, chunks }) => {
      return current === 1 && (envelopes & 1) === 0 && chunks === 0b011;
    },
  );
  assertReaches(mendModel(), "a mender is stopped by an intent", ({ menders, intents, current }) => {
    return menders[0] === "over" && (intents & 0b010) !== 0 && current === 0;
  });
  assertReaches(mendModel(), "the revision is purged between an envelope and its record", ({ menders, purged }) => {
    return purged && menders[0] === "looked";
  });
});

test("F37: each rule of mending is needed", (t) => {
  const [lost, torn] = [{ problem: /lost its envelope/ }, { problem: /lost a chunk/ }];
  assertKilled(t, [
    mutant("the mender looks before it publishes", mendModel({ publishFirst: false }), torn),
    mutant("the mender does not look", mendModel({ looks: false }), torn),
    mutant("collection does not look again", mendModel({ secondLook: false }), torn),
    mutant("intents go with their run", mendModel({ intentStays: false }), torn),
    mutant("envelopes without a record are garbage", mendModel({ pendingIsRoot: false }), torn),
    mutant("the old envelope is dead as soon as there is a new one", mendModel({ oldDies: "by the new envelope" }), lost),
  ]);
});
