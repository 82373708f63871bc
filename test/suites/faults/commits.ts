/** F18 and F19 of reference/safety.md §6, and the commit point: many writers, one commit sent many times, and a Redis that is lost meanwhile. */
import assert from "node:assert/strict";
import { FerryError } from "../../../shared/errors.ts";
import type { RepositoryName } from "../../../shared/names.ts";
import { type Acknowledged, judgeCrowd } from "../../support/crowd.ts";
import type { FaultGround } from "../../support/fault-ground.ts";
import type { Live } from "../../support/live.ts";
import { operationId, repositoryName } from "../../support/memory-app.ts";
import { type Files, Pusher } from "../../support/pusher.ts";

const FILES: Files = { "config.json": "{}", weights: "some weights" };

/** Of as many writers each makes so many commits on one branch. */
export type CommitsSize = { racers: number; writers: number; commitsEach: number };

export function commitsSuite(ground: FaultGround, size: CommitsSize): void {
  oneBranch(ground, size);
  oneCommit(ground);
  lostRedis(ground);
}

function oneBranch(ground: FaultGround, { racers, writers, commitsEach }: CommitsSize): void {
  ground.test(
    `F18: ${racers} commits from one parent: one wins, ${racers - 1} get BRANCH_MOVED`,
    { timeout: 180_000 },
    async (t, { live }) => {
      const { pusher, upload, repository } = await pushed(live, "parents");
      const first = await pusher.commit(repository, upload, FILES, { parent: null, message: "first" });
      const outcomes = await Promise.allSettled(
        Array.from({ length: racers }, (_, at) => pusher.commit(repository, upload, FILES, { parent: first.revision, message: `${at}` })),
      );
      const won = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
      const codes = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [(outcome.reason as FerryError).code] : []));
      assert.deepEqual([won.length, new Set(codes), codes.length], [1, new Set(["BRANCH_MOVED"]), racers - 1]);
      assert.equal((await live.admin.call("describeRepository", { repository })).revisionCount, 2);
      const figures = await judged(
        live,
        repository,
        [first, ...won].map((summary) => ({ ...summary, files: FILES })),
      );
      t.diagnostic(`${racers} commits from one parent: 1 won, ${codes.length} were told BRANCH_MOVED; ${figures}`);
    },
  );

  ground.test(
    `F18: ${writers} writers, ${commitsEach} commits each on one branch: every one lands, once and in order`,
    {
      timeout: 180_000,
    },
    async (t, { live }) => {
      const repository = repositoryName("race/writers");
      const pusher = new Pusher(live.admin, fetch as never);
      await pusher.create(repository);
      const acknowledged: Acknowledged[] = [];
      let moved = 0;
      const commit = async (message: string) => {
        const files = { own: message, common: "common" };
        for (;;) {
          try {
            const { revision } = await pusher.push(repository, files, { message });
            return void acknowledged.push({ revision: revision.revision, seq: revision.seq, files, message });
          } catch (error) {
            if (!(error instanceof FerryError) || error.code !== "BRANCH_MOVED") throw error;
            moved++;
          }
        }
      };
      await Promise.all(
        Array.from({ length: writers }, async (_, writer) => {
          for (let at = 0; at < commitsEach; at++) await commit(`writer ${writer} ${at}`);
        }),
      );
      acknowledged.sort((a, b) => a.seq - b.seq);
      const figures = await judged(live, repository, acknowledged);
      const { revisions } = await live.admin.call("listRevisions", { repository, query: { limit: "1000" } });
      const parents = revisions.map(({ parent }) => parent);
      assert.deepEqual(parents, [...revisions.slice(1).map(({ revision }) => revision), null]);
      t.diagnostic(
        `${acknowledged.length} commits of ${writers} writers, ${moved} times told BRANCH_MOVED; ${figures}, order violations 0`,
      );
    },
  );
}

function oneCommit(ground: FaultGround): void {
  ground.test("F19: one commit sent 20 times at once lands once", { timeout: 180_000 }, async (t, { live }) => {
    const { pusher, upload, repository } = await pushed(live, "twenty");
    const commit = { parent: null, operationId: operationId(), message: "twenty" };
    const answers = await Promise.all(Array.from({ length: 20 }, () => pusher.commit(repository, upload, FILES, commit)));
    assert.equal(new Set(answers.map(({ revision }) => revision)).size, 1);
    assert.equal((await live.admin.call("describeRepository", { repository })).revisionCount, 1);
    const [answer] = answers;
    const figures = await judged(live, repository, answer === undefined ? [] : [{ ...answer, files: FILES }]);
    t.diagnostic(`1 commit sent 20 times: 20 answers name 1 revision; ${figures}`);
  });
}

function lostRedis(ground: FaultGround): void {
  ground.test(
    "Redis wiped between the commit point and the index: the revision is found again, once",
    { timeout: 180_000 },
    async (_, stand) => {
      const { live, store } = stand;
      const { pusher, upload, repository } = await pushed(live, "wiped");
      const pass = store.rule;
      let wiped = 0;
      store.rule = async ({ method, path }) => {
        if (wiped > 0 || method !== "PUT" || !/\/repositories\/[0-9a-f]{16}\/log\//.test(path)) return "pass";
        wiped++;
        await live.wipeRedis();
        return "lose";
      };
      // The client repeats the call by itself; a later try meets a record whose answer was lost, and an empty Redis.
      const revision = await pusher.commit(repository, upload, FILES, { parent: null, operationId: operationId() });
      store.rule = pass;
      assert.equal(wiped, 1);
      assert.equal(revision.seq, 1);
      assert.deepEqual(await live.admin.call("resolve", { repository, params: { ref: "main" } }), revision);
      assert.equal((await live.admin.call("describeRepository", { repository })).revisionCount, 1);
    },
  );

  ground.test("a Redis that lost everything answers from the bucket, never 404", { timeout: 180_000 }, async (_, { live }) => {
    const before = await live.admin.call("listRepositories", { query: {} });
    const token = await live.tokenFor({ repositories: "race/*", actions: ["pull"] });
    await live.wipeRedis();
    const reader = live.clientFor(token);
    for (const { repository } of before.repositories.filter(({ repository }) => repository.startsWith("race/"))) {
      assert.equal((await reader.call("resolve", { repository, params: { ref: "main" } })).seq >= 1, true);
    }
    assert.deepEqual(await live.admin.call("listRepositories", { query: {} }), before);
  });

  ground.test(
    "while Redis can't be reached: 503 and Retry-After, and nothing is said to be missing",
    { timeout: 180_000 },
    async (_, stand) => {
      const { live } = stand;
      await live.stack.redis.crash();
      const headers = { authorization: `Bearer ${live.stack.token}` };
      const response = await fetch(`${live.stack.endpoint}/api/v1/repositories/race/none`, { headers });
      await live.stack.redis.restart();
      assert.equal(response.status, 503);
      assert.ok(response.headers.get("retry-after"));
      assert.equal(((await response.json()) as { code: string }).code, "INDEX_UNAVAILABLE");
    },
  );
}

/** All that a commit needs has been sent and confirmed. */
async function pushed(live: Live, name: string): Promise<{ pusher: Pusher; upload: string; repository: RepositoryName }> {
  const repository = repositoryName(`race/${name}`);
  const pusher = new Pusher(live.admin, fetch as never);
  await pusher.create(repository);
  const { upload } = await pusher.open(repository);
  const reservation = await pusher.reserve(repository, upload, FILES);
  await pusher.send(reservation, FILES);
  assert.deepEqual(await pusher.confirm(repository, upload, reservation), []);
  return { pusher, upload, repository };
}

async function judged(live: Live, repository: RepositoryName, acknowledged: Acknowledged[]): Promise<string> {
  const verdict = await judgeCrowd(live, { acknowledged: new Map([[repository, acknowledged]]), failures: 0, longestMs: 0 });
  assert.deepEqual([verdict.lost, verdict.torn, verdict.doubled], [0, 0, 0]);
  return `lost ${verdict.lost}, torn ${verdict.torn}, doubled ${verdict.doubled}`;
}
