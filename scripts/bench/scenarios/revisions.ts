/** Whether a long history makes anything slower: commit, list and resolve after 10, 100, … revisions. */
import { createHash } from "node:crypto";
import * as z from "zod";
import { canonical, type Json } from "../../../shared/canonical.ts";
import type { FerryClient } from "../../../shared/client.ts";
import type { RepositoryName, RevisionId } from "../../../shared/names.ts";
import { type RedisCounter, startRedisCounter, total } from "../counting.ts";
import type { Lab } from "../lab.ts";
import { type Spread, spreadOf } from "../measure/stats.ts";
import { newOperation, type Registry } from "../registry.ts";
import type { Cell, ScenarioReport } from "../report.ts";
import type { Scenario } from "../scenario.ts";
import { BRANCH, commitAgain, pushFirst, type SmallFile, smallFile } from "../small-push.ts";
import type { Store } from "../store.ts";

const FIRST_COUNT = 10;
const STEP = 10;
const TIMES = 25;
const WARM_UPS = 3;
const BATCH = 5_000;

export const revisions: Scenario = {
  name: "revisions",
  summary: "commit, list and resolve against the length of the history",
  async run(lab) {
    const history = await begin(lab);
    const rows: ScenarioReport["tables"][number]["rows"] = [];
    for (let count = FIRST_COUNT; count <= lab.options.revisions; count *= STEP) {
      await history.growTo(count);
      const cells = await measure(history);
      lab.note(`${count} revisions measured: ${cells.map(briefly).join(", ")}`);
      rows.push({ name: String(count), cells });
    }
    const columns = [
      "commit ms",
      "list ms",
      "resolve a branch ms",
      "resolve the oldest ms",
      "Redis commands a commit",
      "store requests a commit",
    ];
    return {
      name: "revisions",
      conditions: ["one file of 32 bytes", `${TIMES} calls each, one after another, as seen by a client`, "the app on Node"],
      tables: [{ title: "revisions", columns, rows }],
      targets: [],
      skipped: [],
      notes: [],
    };
  },
};

type History = {
  client: FerryClient;
  repository: RepositoryName;
  file: SmallFile;
  oldest: RevisionId;
  redis: RedisCounter | null;
  store: Store;
  growTo(count: number): Promise<void>;
};

async function begin(lab: Lab): Promise<History> {
  const store = await lab.store("http");
  let redis: RedisCounter | null = null;
  const between = async (redisUrl: string) => {
    redis = await startRedisCounter(redisUrl);
    lab.onClose(redis.stop);
    return redis.url;
  };
  const registry = await lab.registry(store, { between });
  const { repository } = await registry.makeRepository("history");
  const client = registry.admin;
  const file = smallFile("file.txt");
  const first = await pushFirst(client, repository, file);
  const { id } = await client.call("describeRepository", { repository });
  const log = `ferry/repositories/${id}/log/`;
  let known = 1;
  const growTo = async (count: number) => {
    known = await seed(store, log, { known, count });
    await replay(registry, repository);
  };
  return { client, repository, file, oldest: first.revision, redis, store, growTo };
}

const Record = z.looseObject({ seq: z.number(), prev: z.string().nullable(), revision: z.string() });

/**
 * Continues the repository's log in the bucket, which is the truth, by copies of its newest commit that follow one another.
 * @param known a record that is there. @returns the newest record
 */
async function seed(store: Store, log: string, { known, count }: { known: number; count: number }): Promise<number> {
  let seq = known;
  while (await store.has(log + name(seq + 1))) seq++;
  let text = await store.read(log + name(seq));
  let batch: { path: string; text: string }[] = [];
  for (seq += 1; seq <= count; seq++) {
    const last = Record.parse(JSON.parse(text));
    const revision = sha256(`${last.revision} ${seq}`).slice(0, 40);
    const next = { ...last, seq, prev: sha256(text), parent: last.revision, revision, operationId: newOperation() };
    text = canonical(next as Json);
    batch.push({ path: log + name(seq), text });
    if (batch.length === BATCH || seq === count) {
      await store.writeAll(batch);
      batch = [];
    }
  }
  return seq - 1;
}

/** Asks for what is not there: before it says so, the index follows the bucket to its end, some thousand records a request. */
async function replay({ endpoint, token }: Registry, repository: RepositoryName): Promise<void> {
  const url = `${endpoint}/api/v1/repositories/${repository}/revisions/no-such-ref`;
  for (;;) {
    const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    await answer.text();
    if (answer.status === 404) return;
    if (answer.status !== 503) throw new Error(`the index did not follow: ${answer.status}`);
  }
}

async function measure({ client, repository, file, oldest, redis, store }: History): Promise<Cell[]> {
  let { revision: parent } = await client.call("resolve", { repository, params: { ref: BRANCH } });
  let [commands, requests] = [0, 0];
  const commit = await timed(
    async () => {
      const { upload } = await client.call("openUpload", { repository, body: { branch: BRANCH, operationId: newOperation() } });
      redis?.take();
      await store.options.own?.counts();
      return async () => {
        parent = (await commitAgain(client, repository, upload, parent, [file.entry])).revision;
      };
    },
    async () => {
      commands = total(redis?.take() ?? new Map());
      requests = ((await store.options.own?.counts()) ?? []).reduce((sum, { count }) => sum + count, 0);
    },
  );
  const call = (act: () => Promise<unknown>) => timed(async () => async () => void (await act()));
  return [
    commit,
    await call(() => client.call("listRevisions", { repository })),
    await call(() => client.call("resolve", { repository, params: { ref: BRANCH } })),
    await call(() => client.call("resolve", { repository, params: { ref: oldest } })),
    commands,
    requests,
  ];
}

/** For whoever waits, and in case that the longest is never done. */
function briefly(cell: Cell): string {
  return String(cell !== null && typeof cell === "object" ? Math.round(cell.median * 10) / 10 : cell);
}

/** Milliseconds of what `prepare` gives, run by run. */
async function timed(prepare: () => Promise<() => Promise<void>>, after: () => Promise<void> = async () => {}): Promise<Spread | null> {
  const times: number[] = [];
  for (let count = 0; count < WARM_UPS + TIMES; count++) {
    const act = await prepare();
    const beganMs = performance.now();
    await act();
    if (count >= WARM_UPS) times.push(performance.now() - beganMs);
    await after();
  }
  return spreadOf(times);
}

function name(seq: number): string {
  return `${String(seq).padStart(12, "0")}.json`;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
