import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { FerryClient } from "../../shared/client.ts";
import type { FerryError } from "../../shared/errors.ts";
import { type Forwarder, startForwarder } from "../support/forwarder.ts";
import { type Live, startLive } from "../support/live.ts";
import { operationId, repositoryName } from "../support/memory-app.ts";
import { type Files, Pusher } from "../support/pusher.ts";
import { type TestStackOptions, whyNoRedis } from "../support/stack.ts";

const FILES: Files = { "config.json": "{}", weights: "some weights" };

for (const runtime of ["workerd", "node"] as const) {
  describe(`the commit protocol on ${runtime}, real Redis and local R2`, { skip: whyNoRedis() }, () => {
    let live: Live;
    let store: Forwarder;
    before(async () => {
      store = await startForwarder();
      const stores: TestStackOptions["stores"] = ([home, ...others]) => {
        if (home === undefined) throw new Error("no local store");
        const { origin, pathname } = new URL(home.endpoint);
        store.target = origin;
        return [{ ...home, endpoint: store.url + pathname }, ...others];
      };
      live = await startLive({ runtime, stores });
    });
    after(async () => {
      await live?.stop();
      await store?.stop();
    });

    async function pushed(
      name: string,
    ): Promise<{ pusher: Pusher; client: FerryClient; upload: string; repository: ReturnType<typeof repositoryName> }> {
      const repository = repositoryName(`race/${name}`);
      const pusher = new Pusher(live.admin, fetch as never);
      await pusher.create(repository);
      const { upload } = await pusher.open(repository);
      const reservation = await pusher.reserve(repository, upload, FILES);
      await pusher.send(reservation, FILES);
      assert.deepEqual(await pusher.confirm(repository, upload, reservation), []);
      return { pusher, client: live.admin, upload, repository };
    }

    test("F18: 50 commits from one parent: one wins, 49 get BRANCH_MOVED", async () => {
      const { pusher, upload, repository } = await pushed("parents");
      const first = await pusher.commit(repository, upload, FILES, { parent: null });
      const racers = Array.from({ length: 50 }, (_, at) =>
        pusher.commit(repository, upload, FILES, { parent: first.revision, message: `${at}` }),
      );
      const outcomes = await Promise.allSettled(racers);
      const codes = outcomes.map((outcome) => (outcome.status === "fulfilled" ? "won" : (outcome.reason as FerryError).code));
      assert.equal(codes.filter((code) => code === "won").length, 1);
      assert.equal(codes.filter((code) => code === "BRANCH_MOVED").length, 49);
      assert.equal((await live.admin.call("describeRepository", { repository })).revisionCount, 2);
    });

    test("F19: one commit sent 20 times at once lands once", async () => {
      const { pusher, upload, repository } = await pushed("twenty");
      const operation = operationId();
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => pusher.commit(repository, upload, FILES, { parent: null, operationId: operation })),
      );
      assert.equal(new Set(answers.map(({ revision }) => revision)).size, 1);
      assert.equal((await live.admin.call("describeRepository", { repository })).revisionCount, 1);
    });

    test("Redis wiped between the commit point and the index: the revision is found again, once", async () => {
      const { pusher, upload, repository } = await pushed("wiped");
      let wiped = 0;
      store.rule = async ({ method, path }) => {
        if (wiped > 0 || method !== "PUT" || !/\/repositories\/[0-9a-f]{16}\/log\//.test(path)) return "pass";
        wiped++;
        await live.wipeRedis();
        return "lose";
      };
      const commit = pusher.commit(repository, upload, FILES, { parent: null, operationId: operationId() });
      // The client repeats the call by itself; a later try meets a record whose answer was lost, and an empty Redis.
      const revision = await commit;
      store.rule = () => "pass";
      assert.equal(wiped, 1);
      assert.equal(revision.seq, 1);
      assert.deepEqual(await live.admin.call("resolve", { repository, params: { ref: "main" } }), revision);
      assert.equal((await live.admin.call("describeRepository", { repository })).revisionCount, 1);
    });

    test("a Redis that lost everything answers from the bucket, never 404", async () => {
      const before = await live.admin.call("listRepositories", { query: {} });
      const token = await live.tokenFor({ repositories: "race/*", actions: ["pull"] });
      await live.wipeRedis();
      const reader = live.clientFor(token);
      for (const { repository } of before.repositories) {
        assert.equal((await reader.call("resolve", { repository, params: { ref: "main" } })).seq >= 1, true);
      }
      assert.deepEqual(await live.admin.call("listRepositories", { query: {} }), before);
    });

    test("while Redis can't be reached: 503 and Retry-After, and nothing is said to be missing", async () => {
      await live.stack.redis.crash();
      const headers = { authorization: `Bearer ${live.stack.token}` };
      const response = await fetch(`${live.stack.endpoint}/api/v1/repositories/race/none`, { headers });
      await live.stack.redis.restart();
      assert.equal(response.status, 503);
      assert.ok(response.headers.get("retry-after"));
      assert.equal(((await response.json()) as { code: string }).code, "INDEX_UNAVAILABLE");
    });
  });
}
