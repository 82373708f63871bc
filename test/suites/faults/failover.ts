/** F3 and F4 of reference/safety.md §6: Redis is killed, and fails over to a replica that lacks what was acknowledged last. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Crowd, judgeCrowd, RunningCrowd } from "../../support/crowd.ts";
import type { FaultGround } from "../../support/fault-ground.ts";
import { diffWithRebuilt } from "../../support/index-diff.ts";
import type { Live } from "../../support/live.ts";
import { startReplica } from "../../support/redis-pair.ts";

/** For so long nobody answers, so every push that is under way waits. */
const DOWN_MS = 300;

export function killedRedisSuite(ground: FaultGround, { kills }: { kills: number }): void {
  ground.test(
    `F3: Redis is killed with -9 beside eight pushing clients, ${kills} times: nothing that was acknowledged is lost or doubled`,
    { timeout: 240_000 },
    async (t, { live }) => {
      const { stack } = live;
      const running = crowd(t, live, "killed");
      for (let kill = 0; kill < kills; kill++) {
        await running.more(8);
        await stack.redis.crash();
        await sleep(DOWN_MS);
        await stack.redis.restart();
      }
      await running.more(8);
      const result = await running.stop();
      const verdict = await judgeCrowd(live, result);
      const diff = await diffWithRebuilt({ stack });
      t.diagnostic(
        `${kills} kills, ${verdict.revisions} revisions acknowledged, lost ${verdict.lost}, doubled ${verdict.doubled}, torn ${verdict.torn}; ` +
          `${result.failures} calls failed, the longest push took ${Math.round(result.longestMs)} ms; ` +
          `rebuilt beside: ${diff.differences.length} differences in ${diff.keys} keys and ${diff.chunks} chunks`,
      );
      assert.ok(result.longestMs > DOWN_MS / 2, "the kills were felt");
      assert.deepEqual([verdict.lost, verdict.doubled, verdict.torn, diff.differences], [0, 0, 0, []]);
    },
  );
}

/** Leaves the system without the redis-server that it began with: nothing else may come after it. */
export function failoverSuite(ground: FaultGround, { cutsMs }: { cutsMs: readonly number[] }): void {
  ground.test(
    `F4: Redis fails over to a replica that was cut off ${cutsMs.join(", ")} ms before, and the next bell makes up for it`,
    { timeout: 120_000 + 60_000 * cutsMs.length },
    async (t, { live, index }) => {
      const { redis, bridge } = live.stack;
      const pair = await startReplica(index, bridge.token, { url: redis.url, kill: redis.crash });
      t.after(() => pair.stop());
      // The first bells compare everything; then it is known to be whole.
      for (let looks = 0; (await live.admin.call("checkIndex", {})).state !== "sound"; looks++) assert.ok(looks < 10);
      for (const cutMs of cutsMs) {
        const running = crowd(t, live, `failover-${cutMs}`);
        await running.more(8);
        await pair.cutOff();
        await Promise.all([sleep(cutMs), running.more(1)]);
        // Nobody writes between the failover and the bell: what is read there is what the replica has.
        const result = await running.stop();
        await pair.failOver();
        const stale = await staleRefs(live, result);
        const rungMs = performance.now();
        const check = await live.admin.call("checkIndex", {});
        const healMs = Math.round(performance.now() - rungMs);
        const after = await staleRefs(live, result);
        const verdict = await judgeCrowd(live, result);
        const diff = await diffWithRebuilt({ stack: live.stack, redisUrl: pair.url() });
        t.diagnostic(
          `cut off ${cutMs} ms before: ${verdict.revisions} revisions acknowledged, of which the replica lacked ${check.healedRecords}: ` +
            `lost ${verdict.lost}, doubled ${verdict.doubled}, torn ${verdict.torn}; ` +
            `${stale} of ${result.acknowledged.size} branches were old before the bell (each minute), ${after} after it; ` +
            `found and applied in ${healMs} ms; rebuilt beside: ${diff.differences.length} differences in ${diff.keys} keys and ${diff.chunks} chunks`,
        );
        assert.ok(check.healedRecords > 0 && stale > 0, "something was lost by Redis");
        assert.deepEqual([after, verdict.lost, verdict.doubled, verdict.torn, diff.differences], [0, 0, 0, 0, []]);
      }
    },
  );
}

/** Ends with its test, however that ends. */
function crowd(t: TestContext, live: Live, name: string): RunningCrowd {
  const running = new RunningCrowd(live, name);
  t.after(() => running.stop().catch(() => {}));
  return running;
}

/** How many branches do not stand where their last acknowledged push put them. */
async function staleRefs({ admin }: Live, { acknowledged }: Crowd): Promise<number> {
  let stale = 0;
  for (const [repository, pushes] of acknowledged) {
    const last = pushes.at(-1);
    if (last === undefined) continue;
    const { revision } = await admin.call("resolve", { repository, params: { ref: "main" } });
    if (revision !== last.revision) stale++;
  }
  return stale;
}
