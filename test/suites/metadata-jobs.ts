/** Promises of ReplicaJobs: a task is done once, by whoever holds its newest lease. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ReplicaJob, ReplicaJobs, TaskPlan } from "../../functions/registry/replicate/ports.ts";
import { StoreId } from "../../shared/names.ts";
import { digestOf, hex, repositoryIdOf, revisionOf } from "../support/chain.ts";
import type { MakeIndexes } from "./metadata.ts";

const STORE = StoreId.parse("west");
const NOW_MS = Date.UTC(2026, 0, 1);

export function jobsSuite(name: string, make: MakeIndexes): void {
  describe(`tasks of replication ${name}`, () => {
    test("tasks are given out by rank, each to one executor, and the last one done leaves none", async () => {
      const { jobs } = make();
      await jobs.put(...planOf("large", 2, 100));
      await jobs.put(...planOf("small", 1, 10));
      const leases = [await take(jobs), await take(jobs), await take(jobs)];
      assert.deepEqual(
        leases.map((lease) => [lease?.job.rank, lease?.isRepeat]),
        [
          [10, false],
          [100, false],
          [100, false],
        ],
      );
      assert.equal(await take(jobs), null);
      const left = [];
      for (const lease of leases) left.push(lease === null ? null : await jobs.finish(heldOf(lease)));
      assert.deepEqual(left, [0, 1, 0]);
      const states = await jobs.list(STORE);
      assert.deepEqual(states.map(({ left, doneBytes }) => [left, doneBytes]).sort(), [
        [0, 100],
        [0, 200],
      ]);
    });

    test("a lease that has ended is lost to its holder, whatever it then says", async () => {
      const { jobs } = make();
      await jobs.put(...planOf("one", 1, 10));
      const first = await take(jobs);
      assert.equal(await take(jobs, NOW_MS + 999), null);
      const second = await take(jobs, NOW_MS + 1000);
      assert.ok(first !== null && second !== null && second.fence > first.fence && second.isRepeat);
      assert.deepEqual(second.places, first.places);
      assert.equal(await jobs.find(heldOf(first)), null);
      assert.equal(await jobs.extend(heldOf(first), NOW_MS + 9e6), false);
      assert.equal(await jobs.fail(heldOf(first), "late", NOW_MS), false);
      assert.equal(await jobs.finish(heldOf(first)), null);
      assert.deepEqual((await jobs.find(heldOf(second)))?.places, [0]);
      assert.equal(await jobs.extend(heldOf(second), NOW_MS + 5000), true);
      assert.equal(await take(jobs, NOW_MS + 4999), null);
      assert.equal(await jobs.finish(heldOf(second)), 0);
      assert.equal(await jobs.finish(heldOf(second)), null, "a task is done once");
    });

    test("a failed task comes again when it was said to, and its job tells why until something gets on", async () => {
      const { jobs } = make();
      await jobs.put(...planOf("one", 2, 10));
      const first = await take(jobs);
      assert.ok(first !== null);
      assert.equal(await jobs.fail(heldOf(first), "503", NOW_MS + 5000), true);
      assert.equal(await jobs.finish(heldOf(first)), null);
      const state = await jobs.get(STORE, first.job.job);
      assert.deepEqual([state?.problem, state?.failures, state?.left], ["503", 1, 2]);
      const other = await take(jobs);
      assert.ok(other !== null && other.task !== first.task);
      assert.equal(await take(jobs, NOW_MS + 900), null);
      const again = await take(jobs, NOW_MS + 5000);
      assert.ok(again !== null);
      assert.deepEqual([again.task === other.task || again.failures === 1, again.isRepeat], [true, true]);
      await jobs.finish(heldOf(again));
      assert.equal((await jobs.get(STORE, first.job.job))?.problem, null);
    });

    test("the same plan again changes nothing, another begins anew", async () => {
      const { jobs } = make();
      const [job, tasks] = planOf("one", 2, 10);
      await jobs.put(job, tasks);
      const lease = await take(jobs);
      assert.ok(lease !== null);
      await jobs.put({ ...job, plannedAtMs: job.plannedAtMs + 1 }, tasks);
      assert.equal(await jobs.finish(heldOf(lease)), 1);
      await jobs.put({ ...job, copy: hex("other", 16) }, tasks);
      assert.equal((await jobs.get(STORE, job.job))?.left, 2);
    });

    test("an ended job has no tasks, and who holds one is told", async () => {
      const { jobs } = make();
      const [job, tasks] = planOf("one", 2, 10);
      await jobs.put(job, tasks);
      const lease = await take(jobs);
      assert.ok(lease !== null);
      await jobs.end(job);
      assert.equal(await jobs.get(STORE, job.job), null);
      assert.deepEqual(await jobs.list(STORE), []);
      assert.equal(await take(jobs, NOW_MS + 9e6), null);
      assert.equal(await jobs.finish(heldOf(lease)), null);
      assert.equal(await jobs.mend(job), false);
    });

    test("with a rate, tasks are given out no faster than their bytes pass at it, a little before their turn at most", async () => {
      const { jobs } = make();
      await jobs.put(...planOf("one", 4, 10));
      const at = (seconds: number) => jobs.lease(STORE, NOW_MS + seconds * 1000, NOW_MS + 3_600_000, 10);
      // 100 bytes each: ten seconds.
      assert.ok((await at(0)) !== null);
      assert.equal(await at(7.9), null);
      assert.ok((await at(8)) !== null);
      assert.equal(await at(17.9), null, "what came early is not given twice");
      assert.ok((await at(40)) !== null);
      assert.equal(await at(47), null, "nothing is saved up");
      assert.ok((await jobs.lease(STORE, NOW_MS + 47_000, NOW_MS + 3_600_000)) !== null, "no rate, no limit");
    });

    test("stores have nothing to do with one another", async () => {
      const { jobs } = make();
      await jobs.put(...planOf("one", 1, 10));
      assert.equal(await jobs.lease(StoreId.parse("east"), NOW_MS, NOW_MS + 1000), null);
      assert.deepEqual(await jobs.list(StoreId.parse("east")), []);
    });
  });
}

/** For tests that lose keys one by one. */
export function planOf(name: string, count: number, rank: number): [ReplicaJob, TaskPlan[]] {
  const tasks = Array.from({ length: count }, (_, at): TaskPlan => ({ places: [at], bytes: 100 }));
  const common = { store: STORE, repositoryId: repositoryIdOf(name), revision: revisionOf(name), seq: 1, manifest: digestOf(name) };
  const copies = {
    attempt: hex(`a ${name}`, 16),
    copy: hex(`c ${name}`, 16),
    source: StoreId.parse("home"),
    sourceCopy: hex(`a ${name}`, 16),
  };
  const sums = { tasks: count, chunks: count, bytes: 100 * count, plannedAtMs: NOW_MS };
  return [{ job: hex(name, 16), ...common, ...copies, rank, ...sums }, tasks];
}

function take(jobs: ReplicaJobs, nowMs = NOW_MS) {
  return jobs.lease(STORE, nowMs, nowMs + 1000);
}

function heldOf({ task, fence }: { task: string; fence: number }) {
  return { store: STORE, task, fence };
}
