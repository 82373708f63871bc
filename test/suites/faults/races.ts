/** F17 of reference/safety.md §6: one revision that is cloned, tagged, restored and pushed again while it is purged and collected. */
import assert from "node:assert/strict";
import type { RepositoryName, RevisionId } from "../../../shared/names.ts";
import type { CrashStand } from "../../support/crash-stand.ts";
import { isReadable } from "../../support/crowd.ts";
import type { FaultGround } from "../../support/fault-ground.ts";
import { collectOn, GarbageYard } from "../../support/garbage-yard.ts";
import { operationId, refName, repositoryName } from "../../support/memory-app.ts";
import { codeOf } from "../../unit/registry/lifecycle-world.ts";

/** Whole, or refused by one of these. */
const OUTCOMES = new Set([
  ...["OK", "REVISION_DELETED", "REVISION_UNKNOWN", "REVISION_NOT_DELETED", "REVISION_IN_USE", "REF_UNKNOWN", "BRANCH_MOVED"],
  ...["CHUNK_CONDEMNED", "TAG_EXISTS"],
]);
const MODEL = repositoryName("races/model");

export function racesSuite(ground: FaultGround, { races }: { races: number }): void {
  ground.test(
    `F17: clone, tag, restore and push of a revision against its purge and collection, ${races} times: each ends whole or refused`,
    {
      timeout: 240_000,
    },
    async (t, stand) => {
      const yard = await GarbageYard.open(stand, MODEL);
      const tally: Record<string, number> = {};
      for (let round = 0; round < races; round++) {
        const files = { own: `races ${round}`, shared: `races shared ${round}` };
        const { revision } = await yard.push(files, `old ${round}`);
        await yard.push({ own: `races kept ${round}` }, `kept ${round}`);
        const copy = repositoryName(`races/copy-${round}`);
        const outcomes = await race({ stand, yard, revision, round, copy });
        for (const [name, code] of Object.entries(outcomes)) {
          assert.ok(OUTCOMES.has(code), `${name}: ${code}`);
          tally[`${name} ${code}`] = (tally[`${name} ${code}`] ?? 0) + 1;
        }
        await collectOn(stand);
        // Whatever was answered OK has all bytes of the revision, by whatever name.
        if (outcomes["clone"] === "OK") assert.ok(await isReadable(stand.live, copy, { ref: "main", files }), `clone ${round}`);
        if (outcomes["tag"] === "OK") assert.ok(await isReadable(stand.live, MODEL, { ref: `t${round}`, files }), `tag ${round}`);
        if (outcomes["restore"] === "OK")
          assert.ok(await isReadable(stand.live, MODEL, { ref: `back-${round}`, files }), `restore ${round}`);
      }
      const told = Object.entries(tally)
        .sort()
        .map(([outcome, count]) => `${outcome} ${count}`);
      await yard.judge(t, `${races} races, broken 0: ${told.join(", ")}`);
    },
  );
}

type Race = { stand: CrashStand; yard: GarbageYard; revision: RevisionId; round: number; copy: RepositoryName };

/** All at once; by the code that each was answered with. */
async function race({ stand, yard, revision, round, copy }: Race): Promise<Record<string, string>> {
  const { client } = stand;
  const ref = revision;
  const again = { own: `races ${round}`, shared: `races shared ${round}` };
  const acts: Record<string, () => Promise<unknown>> = {
    "purge and collection": async () => {
      await yard.purge([revision]);
      await collectOn(stand);
    },
    clone: () =>
      client.call("clone", { repository: copy, body: { from: MODEL, ref, branch: refName("main"), operationId: operationId() } }),
    tag: () => client.call("setTag", { repository: MODEL, params: { tag: `t${round}` }, body: { ref, operationId: operationId() } }),
    restore: () =>
      client.call("restoreBranch", {
        repository: MODEL,
        params: { branch: `back-${round}` },
        body: { ref, expected: null, operationId: operationId() },
      }),
    push: () => yard.pushAgain([again], `again ${round}`),
  };
  const codes = await Promise.all(Object.entries(acts).map(async ([name, act]) => [name, await codeOf(act())] as const));
  return Object.fromEntries(codes);
}
