/** What must hold when things fail (reference/safety.md §6), with the app on Node, a real redis-server by TCP, and local R2. */
import { collectorsSuite } from "../suites/faults/collectors.ts";
import { commitsSuite } from "../suites/faults/commits.ts";
import { killedRedisSuite } from "../suites/faults/failover.ts";
import { racesSuite } from "../suites/faults/races.ts";
import { railsSuite } from "../suites/faults/rails.ts";
import { LOCAL_R2, onHome } from "../support/fault-ground.ts";

const ROUNDS = Number(process.env["FERRY_ROUNDS"] ?? 1);

onHome(LOCAL_R2, "node", (ground) => {
  commitsSuite(ground, { racers: 50, writers: 8, commitsEach: 3 });
  killedRedisSuite(ground, { kills: 5 });
  collectorsSuite(ground, { rounds: ROUNDS });
  racesSuite(ground, { races: 4 * ROUNDS });
  railsSuite(ground);
});
