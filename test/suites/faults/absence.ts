/** F7 of reference/safety.md §6, through the whole app: a call of Redis that fails is an error or changes nothing, never "there is none". */
import assert from "node:assert/strict";
import { FerryClient } from "../../../shared/client.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { CrashStand } from "../../support/crash-stand.ts";
import type { FaultGround } from "../../support/fault-ground.ts";
import { operationId, repositoryName } from "../../support/memory-app.ts";
import { digestOf, Pusher } from "../../support/pusher.ts";

const REPOSITORY = repositoryName("absence/model");
const FILES = { "config.json": "{}", weights: "absence" };

type Act = (client: FerryClient, round: number) => Promise<unknown>;

const READS: Record<string, Act> = {
  whoAmI: (client) => client.call("whoAmI", {}),
  resolve: (client) => client.call("resolve", { repository: REPOSITORY, params: { ref: "main" } }),
  "resolve a tag": (client) => client.call("resolve", { repository: REPOSITORY, params: { ref: "v1" } }),
  manifest: (client) => client.call("manifest", { repository: REPOSITORY, params: { ref: "main" } }),
  describe: (client) => client.call("describeRepository", { repository: REPOSITORY }),
  list: async (client) => (await client.call("listRevisions", { repository: REPOSITORY, query: {} })).revisions,
  repositories: async (client) => (await client.call("listRepositories", { query: {} })).repositories.map(({ repository }) => repository),
  download: async (client) => {
    const body = { chunks: [digestOf("absence")] };
    return (await client.call("download", { repository: REPOSITORY, params: { ref: "main" }, body })).items.length;
  },
};

const WRITES: Record<string, Act> = {
  tag: (client, round) =>
    client.call("setTag", { repository: REPOSITORY, params: { tag: `w${round}` }, body: { ref: "main", operationId: operationId() } }),
  reserve: async (client, round) => {
    const pusher = new Pusher(client, fetch as never);
    const { upload } = await pusher.open(REPOSITORY);
    await pusher.reserve(REPOSITORY, upload, { own: `absence ${round}` });
  },
};

export function absenceSuite(ground: FaultGround): void {
  ground.test(
    "F7: each call of Redis in reads and writes fails, one after another: an error that can be retried, or the right answer",
    {
      timeout: 240_000,
    },
    async (t, stand) => {
      const { live } = stand;
      const pusher = new Pusher(live.admin, fetch as never);
      await pusher.create(REPOSITORY);
      await pusher.push(REPOSITORY, FILES);
      await live.admin.call("setTag", { repository: REPOSITORY, params: { tag: "v1" }, body: { ref: "main", operationId: operationId() } });
      const actions = ["pull", "push", "tag"] as const;
      const token = await live.tokenFor({ repositories: "absence/*", actions: [...actions] });
      const { endpoint } = live.stack;
      const client = new FerryClient({ endpoint, token, fetch, sleep: async () => {}, random: Math.random, attempts: 1 });
      const counts = { sites: 0, errors: 0, right: 0 };
      for (const [name, act] of [...Object.entries(READS), ...Object.entries(WRITES)]) {
        const expected = name in READS ? await act(client, 0) : undefined;
        const sites = await failEach(stand, client, act, (outcome) => {
          if (outcome instanceof FerryError) assert.deepEqual([outcome.code, outcome.retryable], ["INDEX_UNAVAILABLE", true], name);
          else if (expected !== undefined) assert.deepEqual(outcome, expected, name);
          counts[outcome instanceof FerryError ? "errors" : "right"]++;
        });
        assert.ok(sites > 0, `${name} asks Redis`);
        counts.sites += sites;
      }
      t.diagnostic(`${counts.sites} call sites failed once each: ${counts.errors} errors, ${counts.right} right answers, null-as-absent 0`);
      assert.ok(counts.errors > 0);
    },
  );
}

let rounds = 0;

/** Does the act with its call of Redis number 0, 1, 2… answered by a page in HTML, until it has no more; how many it had. */
async function failEach({ index }: CrashStand, client: FerryClient, act: Act, judge: (outcome: unknown) => void): Promise<number> {
  const pass = index.rule;
  try {
    for (let at = 0; ; at++) {
      let calls = 0;
      index.rule = () => (calls++ === at ? "html" : "pass");
      const outcome = await act(client, ++rounds).catch((error: unknown) => error);
      if (calls <= at) return at;
      judge(outcome);
    }
  } finally {
    index.rule = pass;
  }
}
