/** What must hold when things fail (reference/safety.md §6), with the app on workerd, a real redis-server behind its bridge, and local R2. */
import { absenceSuite } from "../suites/faults/absence.ts";
import { collectionSuite } from "../suites/faults/collection.ts";
import { commitsSuite } from "../suites/faults/commits.ts";
import { failoverSuite } from "../suites/faults/failover.ts";
import { indexFaultsSuite } from "../suites/faults/index-faults.ts";
import { LOCAL_R2, onHome } from "../support/fault-ground.ts";

onHome(LOCAL_R2, "workerd", (ground) => {
  commitsSuite(ground, { racers: 50, writers: 8, commitsEach: 3 });
  absenceSuite(ground);
  collectionSuite(ground, { cycles: Number(process.env["FERRY_COLLECT_CYCLES"] ?? 20) });
  indexFaultsSuite(ground, { wipes: 3, restores: 4, faultyPushes: 40, laggingRounds: 12 });
  failoverSuite(ground, { cutsMs: [50, 500, 5_000] });
});
