/**
 * A model from one store into another: by an executor beside them against rclone, and by the app itself against a proxy that only streams,
 * in the same runtime. What is written there is thrown away after the first, verified round.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Policy } from "../../../shared/contract/replication.ts";
import { RepositoryName } from "../../../shared/names.ts";
import { GiB, MiB } from "../../../shared/units.ts";
import type { Target as Wanted } from "../compare.ts";
import { verifyFolder } from "../contents.ts";
import type { Lab } from "../lab.ts";
import { type Prepared, runRounds } from "../measure/rounds.ts";
import { type Command, runMeasured } from "../measure/run-command.ts";
import { ferryCommand } from "../ours.ts";
import { plainEnv, whyNot } from "../peers/peer.ts";
import { rclone, rcloneBetween } from "../peers/rclone.ts";
import { newOperation } from "../registry.ts";
import { ReplicaGround, type Target, targetsOf } from "../replicate-ground.ts";
import type { Work } from "../replicate-process.ts";
import { NotHere, type Scenario } from "../scenario.ts";
import type { Store } from "../store.ts";
import { type Cases, type Ground, storeForPulls } from "../transfers.ts";
import { comparisonOf, cut, dataText, makeGround, reportOf, roundsText } from "./ground.ts";

const SIZE_BYTES = 2 * GiB;
const FILE_BYTES = 64 * MiB;
/** As many chunks at once as the app copies. */
const CONNECTIONS = 6;
const SOURCE_KEYS = "peers/source/";
const TAG = "deploy/east";
const PROCESS = fileURLToPath(new URL("../replicate-process.ts", import.meta.url));

const AGENT = "ferry sync execute";
const EDGE = "the app";
const PROXY = "a streaming proxy";

export const replicate: Scenario = {
  name: "replicate",
  summary: "a model into another store, by an executor and by the app itself",
  run: async (lab) => {
    if (lab.options.endpoint !== undefined) throw new NotHere("it needs two stores");
    const replica = await prepare(lab);
    const { ground } = replica;
    const [agents, edges] = [agentCases(replica), edgeCases(replica)];
    const beforeRounds = async () => replica.discard(["peers/"]);
    const byAgent = await runRounds(agents.cases, { ...lab.rounds, beforeRounds });
    await replica.keepAll();
    const byEdge = await runRounds(edges.cases, { ...lab.rounds, beforeRounds });
    const conditions = [dataText(ground.data), "HTTP", roundsText(lab), `${CONNECTIONS} transfers`, "the app on Node"];
    return reportOf("replicate", conditions, [
      { comparison: comparisonOf("by an executor", ground, agents, byAgent), cases: agents, targets: AGENT_TARGETS },
      { comparison: comparisonOf("by the app", ground, edges, byEdge), cases: edges, targets: EDGE_TARGETS },
    ]);
  },
};

const AGENT_TARGETS: Wanted[] = [
  { target: "speed of an executor against rclone copy", ours: AGENT, peers: [rclone.name], of: "speed", atLeast: 0.9 },
  { target: "CPU of an executor against rclone copy", ours: AGENT, peers: [rclone.name], of: "cpu", atMost: 1 },
];
const EDGE_TARGETS: Wanted[] = [
  { target: "speed of the app against a streaming proxy", ours: EDGE, peers: [PROXY], of: "speed", atLeast: 0.8 },
];

async function prepare(lab: Lab): Promise<ReplicaGround> {
  const far = await lab.store("http");
  const data = cut(lab.options.size ?? SIZE_BYTES, FILE_BYTES, CONNECTIONS);
  const ground = await makeGround(lab, { scheme: "http", connections: CONNECTIONS, data, others: targetsOf(far) });
  const stored = await storeForPulls(ground);
  const policy = Policy.parse({ name: "west", repositories: stored.repository, stores: ["west"] });
  await ground.ferry.registry.admin.call("setPolicy", { body: { policy, operationId: newOperation() } });
  return new ReplicaGround(ground, far, stored);
}

function agentCases(replica: ReplicaGround): Cases {
  const why = whyNot(rclone);
  const peers = [rclone.name, `${rclone.name} without md5`] as const;
  return {
    cases: [
      { name: AGENT, prepare: () => prepareAgent(replica) },
      ...(why === null ? peers.map((name, at) => ({ name, prepare: () => prepareRclone(replica, at === 0) })) : []),
    ],
    skipped: why === null ? [] : peers.map((name) => ({ case: name, reason: why })),
  };
}

function edgeCases(replica: ReplicaGround): Cases {
  return {
    cases: [
      { name: EDGE, prepare: () => prepareEdge(replica) },
      { name: PROXY, prepare: () => prepareProxy(replica) },
    ],
    skipped: [],
  };
}

async function prepareAgent(replica: ReplicaGround): Promise<Prepared> {
  const { lab, ferry } = replica.ground;
  const home = lab.folder("home", "disk");
  await replica.empty("west");
  // Only plans: nobody but executors copies there.
  await ferry.registry.admin.call("stepSync", {});
  const args = ["sync", "execute", "--stores", "west", "--parallel", String(CONNECTIONS), "--once"];
  return whole(replica, "west", { command: ferryCommand(ferry, args, { token: ferry.registry.token, home }), home, clear: async () => {} });
}

async function prepareEdge(replica: ReplicaGround): Promise<Prepared> {
  const { ground, stored } = replica;
  const { lab, ferry } = ground;
  const home = lab.folder("home", "disk");
  await replica.empty("east");
  const { endpoint, token, admin } = ferry.registry;
  const repository = RepositoryName.parse(stored.repository);
  const command = processCommand(home, { way: "ask", endpoint, token, repository, tag: TAG, store: "east" });
  const clear = () => admin.call("deleteTag", { repository, params: { tag: TAG }, query: { operationId: newOperation() } });
  return whole(replica, "east", { command, home, clear });
}

type Own = { command: Command; home: string; clear: () => Promise<unknown> };

function whole(replica: ReplicaGround, target: Target, { command, home, clear }: Own): Prepared {
  const { lab, data } = replica.ground;
  const check = async () => {
    if (!(await replica.isReady(target))) throw new Error(`${target} is not ready`);
  };
  return {
    command,
    servers: replica.servers,
    check,
    verify: async () => {
      await check();
      const destination = lab.folder("pulled");
      await replica.pull(target, destination, home);
      verifyFolder(data, destination);
      rmSync(destination, { recursive: true });
    },
    clear: async () => {
      await clear();
      rmSync(home, { recursive: true });
    },
  };
}

let copies = 0;

async function prepareRclone(replica: ReplicaGround, isChecked: boolean): Promise<Prepared> {
  const { ground, far } = replica;
  const scratch = ground.lab.folder("scratch", "disk");
  const keys = `peers/copy-${++copies}/`;
  const command = rcloneBetween({ from: ground.ferry.store, to: far, scratch, connections: CONNECTIONS, isChecked }, SOURCE_KEYS, keys);
  return carried(ground, far, { command, keys, scratch });
}

async function prepareProxy({ ground, far }: ReplicaGround): Promise<Prepared> {
  const { data, lab, ferry } = ground;
  const scratch = lab.folder("scratch", "disk");
  const keys = `peers/copy-${++copies}/`;
  const [sources, targets] = [await ferry.store.urls(SOURCE_KEYS, data.files), await far.uploadUrls(keys, data.files)];
  const objects = data.files.map(({ sizeBytes }, at) => ({ from: sources[at] ?? "", to: targets[at] ?? "", sizeBytes }));
  return carried(ground, far, { command: processCommand(scratch, { way: "proxy", connections: CONNECTIONS, objects }), keys, scratch });
}

function carried(
  { ferry, data, lab }: Ground,
  far: Store,
  { command, keys, scratch }: { command: Command; keys: string; scratch: string },
): Prepared {
  return {
    command,
    servers: [...ferry.store.pids, ...far.pids],
    check: async () => {},
    verify: async () => {
      const destination = lab.folder("pulled");
      const env = plainEnv(scratch);
      for (const [at, url] of (await far.urls(keys, data.files)).entries())
        await runMeasured({ program: "curl", args: ["-sf", "-o", join(destination, data.files[at]?.name ?? ""), url], env }, []);
      verifyFolder(data, destination);
      rmSync(destination, { recursive: true });
    },
    clear: async () => {
      await far.remove(keys);
      rmSync(scratch, { recursive: true });
    },
  };
}

function processCommand(home: string, work: Work): Command {
  const file = join(home, "work.json");
  writeFileSync(file, JSON.stringify(work));
  return { program: process.execPath, args: [PROCESS, file], env: plainEnv(home) };
}
