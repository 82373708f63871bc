/**
 * What must hold when things fail (reference/safety.md §6), with a real Ceph as the home store: the same guarantees as on local R2, few
 * times each; FERRY_ROUNDS and FERRY_COLLECT_CYCLES ask for more. Killed servers are in crash-points.test.ts.
 */
import { absenceSuite } from "../suites/faults/absence.ts";
import { collectionSuite } from "../suites/faults/collection.ts";
import { collectorsSuite } from "../suites/faults/collectors.ts";
import { commitsSuite } from "../suites/faults/commits.ts";
import { failoverSuite, killedRedisSuite } from "../suites/faults/failover.ts";
import { indexFaultsSuite } from "../suites/faults/index-faults.ts";
import { racesSuite } from "../suites/faults/races.ts";
import { railsSuite } from "../suites/faults/rails.ts";
import { ranksSuite } from "../suites/faults/ranks.ts";
import { CEPH, onHome } from "../support/fault-ground.ts";

const ROUNDS = Number(process.env["FERRY_ROUNDS"] ?? 1);
/** Without, three collectors at once and the killed ones are enough of it: a cycle costs ten pushes. */
const CYCLES = Number(process.env["FERRY_COLLECT_CYCLES"] ?? 0);

onHome(CEPH, "workerd", (ground) => {
  commitsSuite(ground, { racers: 10 * ROUNDS, writers: 4, commitsEach: 2 * ROUNDS });
  absenceSuite(ground);
  killedRedisSuite(ground, { kills: ROUNDS });
  if (CYCLES > 0) collectionSuite(ground, { cycles: CYCLES });
  collectorsSuite(ground, { rounds: ROUNDS });
  racesSuite(ground, { races: ROUNDS });
  railsSuite(ground);
  ranksSuite(ground, { ranks: ROUNDS > 1 ? 8 : 3, isWhole: false });
  indexFaultsSuite(ground, { wipes: ROUNDS > 1 ? ROUNDS : 0, restores: ROUNDS, faultyPushes: 16 * ROUNDS, laggingRounds: 4 * ROUNDS });
  failoverSuite(ground, { cutsMs: ROUNDS > 1 ? [50, 500, 5_000] : [50] });
});
