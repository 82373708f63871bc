/** What a push and a pull of 10,000 chunks ask of Redis, of the store and of the registry: that is what a deployment pays for. */
import { rmSync } from "node:fs";
import { KiB } from "../../../shared/units.ts";
import { type ApiCounter, type RedisCounter, startApiCounter, startRedisCounter, type Tally, total } from "../counting.ts";
import { makeDataset } from "../data.ts";
import type { Lab } from "../lab.ts";
import { runMeasured } from "../measure/run-command.ts";
import { ferryCommand } from "../ours.ts";
import type { Judged, Table } from "../report.ts";
import { NotHere, type Scenario } from "../scenario.ts";
import type { Store } from "../store.ts";
import { dataText } from "./ground.ts";

const CHUNKS = 10_000;
const FILE_BYTES = 10 * KiB;
const COMMIT_COMMANDS_MAX = 50;
const PUSH_COMMANDS_MAX = 1000;

export const protocol: Scenario = {
  name: "protocol",
  summary: "Redis commands, store requests and API calls of a push and a pull of 10,000 chunks",
  async run(lab) {
    if (lab.options.endpoint !== undefined) throw new NotHere("only the bench's own store counts");
    const count = Math.min(CHUNKS, Math.ceil((lab.options.size ?? CHUNKS * FILE_BYTES) / FILE_BYTES));
    const data = makeDataset(lab.folder("data"), { count, sizeBytes: FILE_BYTES, seed: "protocol" });
    const set = await setUp(lab);
    const { repository, token } = await set.registry.makeRepository("counted");
    const run = async (words: string[]) => {
      await set.take();
      await runMeasured(ferryCommand(set.ferry, words, { token, home: lab.folder("home", "disk") }), []);
      return set.take();
    };
    const pushed = await run(["push", data.folder, repository]);
    const committed = set.committed();
    const destination = lab.folder("pulled");
    const pulled = await run(["pull", repository, destination]);
    rmSync(destination, { recursive: true });
    const commits: Asked = { ...committed, api: new Map([["commit", 1]]) };
    const acts = [
      { name: "push", asked: pushed },
      { name: "of it the commit", asked: commits },
      { name: "pull", asked: pulled },
    ];
    return {
      name: "protocol",
      conditions: [dataText(data), "one chunk a file", "1 run"],
      tables: [sums(acts), ...KINDS.map((kind) => byName(kind, acts))],
      targets: [
        judged("Redis commands of a commit", total(committed.redis), COMMIT_COMMANDS_MAX),
        judged("Redis commands of a whole push", total(pushed.redis), PUSH_COMMANDS_MAX),
      ],
      skipped: [],
      notes: [],
    };
  },
};

type Asked = { redis: Tally; store: Tally; api: Tally };
type Kind = keyof Asked;
type Act = { name: string; asked: Asked };

const KINDS: readonly Kind[] = ["redis", "store", "api"];
const TITLES: Record<Kind, string> = { redis: "Redis commands", store: "store requests", api: "API calls" };
const NOTHING: Asked = { redis: new Map(), store: new Map(), api: new Map() };

async function setUp(lab: Lab) {
  const store = await lab.store("http");
  let redis: RedisCounter | null = null;
  const between = async (redisUrl: string) => {
    redis = await startRedisCounter(redisUrl);
    lab.onClose(redis.stop);
    return redis.url;
  };
  const registry = await lab.registry(store, { between });
  let [before, committed] = [NOTHING, NOTHING];
  const takeAll = async (api: ApiCounter | null): Promise<Asked> => ({
    redis: redis?.take() ?? new Map(),
    store: await storeTally(store),
    api: api?.take() ?? new Map(),
  });
  // Nothing else is under way while a client waits for its commit, so what is asked meanwhile is the commit's.
  const api = await startApiCounter(registry.endpoint, async (route, call) => {
    if (route !== "commit") return call();
    before = merged(before, await takeAll(api));
    await call();
    committed = await takeAll(null);
  });
  lab.onClose(api.stop);
  const take = async (): Promise<Asked> => {
    const all = merged(merged(before, committed), await takeAll(api));
    before = NOTHING;
    last = committed;
    committed = NOTHING;
    return all;
  };
  let last = NOTHING;
  const ferry = { program: await lab.ferry(), registry: { ...registry, endpoint: api.url }, store };
  return { registry, ferry, take, committed: () => last };
}

async function storeTally(store: Store): Promise<Tally> {
  const counts = (await store.options.own?.counts()) ?? [];
  return new Map(counts.map(({ operation, count }) => [operation.replace("ferry/", ""), count]));
}

function merged(one: Asked, other: Asked): Asked {
  const sum = (kind: Kind): Tally => {
    const tally = new Map(one[kind]);
    for (const [what, times] of other[kind]) tally.set(what, (tally.get(what) ?? 0) + times);
    return tally;
  };
  return { redis: sum("redis"), store: sum("store"), api: sum("api") };
}

function sums(acts: readonly Act[]): Table {
  return {
    title: "act",
    columns: KINDS.map((kind) => TITLES[kind]),
    rows: acts.map(({ name, asked }) => ({ name, cells: KINDS.map((kind) => total(asked[kind])) })),
  };
}

function byName(kind: Kind, acts: readonly Act[]): Table {
  const names = [...new Set(acts.flatMap(({ asked }) => [...asked[kind].keys()]))].sort();
  return {
    title: TITLES[kind],
    columns: acts.map(({ name }) => name),
    rows: names.map((name) => ({ name, cells: acts.map(({ asked }) => asked[kind].get(name) ?? 0) })),
  };
}

function judged(target: string, figure: number, most: number): Judged {
  return { target, wanted: `at most ${most}`, figure, ok: figure <= most };
}
