/** A ring of ten agents, each a process, and twenty pulls at each, all cold at once (F27, F28). */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pushFiles } from "../../scripts/node/transfer.ts";
import { RefName } from "../../shared/names.ts";
import { MiB } from "../../shared/units.ts";
import { type AgentProcess, type AgentWorld, startAgentWorld, until } from "../support/agents.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { seededBytes, writeSafetensors } from "../support/live.ts";
import { repositoryName } from "../support/memory-app.ts";
import { snapshot } from "../support/trees.ts";

const MODEL_BYTES = Number(process.env["FERRY_AGENT_MIB"] ?? 64) * MiB;
const AGENTS = 10;
const PULLS = Number(process.env["FERRY_AGENT_PULLS"] ?? 20);
/** In the round with faulty agents; all of them only where all is run. */
const FAULTY_PULLS = PULLS >= 20 ? PULLS : Math.ceil(PULLS / 4);
const FILES = 62;
const RSS_MAX = 256 * MiB;

const MODEL = repositoryName("ring/model");

describe(`${AGENTS} agents, ${PULLS} pulls at each, ${MODEL_BYTES / MiB} MiB, cold at once`, { timeout: 1_200_000 }, () => {
  let world: AgentWorld;
  let expected: Record<string, string>;
  /** Of its chunks. */
  let modelBytes = 0;
  before(async () => {
    world = await startAgentWorld();
    const source = join(world.folder, "source");
    plant(source);
    expected = snapshot(source);
    const control = { client: world.client(), onProgress: () => {}, signal: new AbortController().signal };
    const request = { repository: MODEL, branch: RefName.parse("main"), message: "", sources: [source], create: true };
    await world.app.admin.call("createRepository", { body: { repository: MODEL, operationId: "make-the-repository-1" as never } });
    modelBytes = (await pushFiles(request, control, { cacheDir: join(world.folder, "engine"), useStatCache: false, threads: 0 }))
      .bytesTotal;
  });
  after(() => world?.stop());

  /** What each took in ms, what they had to say, and what they took from the store themselves. */
  type AllPulled = { times: number[]; notes: string[]; moved: number };

  /** All pulls at once. */
  async function pullAll(name: string, agents: readonly AgentProcess[], pulls = PULLS): Promise<AllPulled> {
    const pulled = await Promise.all(
      agents.map(({ id, socket }) => {
        const destinations = Array.from({ length: pulls }, (_, at) => join(world.folder, name, id, String(at)));
        return world.pull({ repository: MODEL, destinations, socketPath: socket, compareEach: 5, expected });
      }),
    );
    assert.equal(
      pulled.reduce((sum, { wrong }) => sum + wrong, 0),
      0,
    );
    const notes = pulled.flatMap((one) => one.notes);
    const moved = pulled.reduce((sum, one) => sum + one.moved, 0);
    return { times: pulled.flatMap((one) => one.times).sort((a, b) => a - b), notes, moved };
  }

  async function originBytes(agents: readonly AgentProcess[]): Promise<number> {
    let sum = 0;
    for (const agent of agents) sum += await agent.metric('ferry_agent_fetched_bytes_total{from="origin"}');
    return sum;
  }

  const tell = (times: readonly number[]) => {
    const at = (share: number) => `${Math.round(times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? 0)} ms`;
    return `pulls p50 ${at(0.5)}, p99 ${at(0.99)}`;
  };

  test("the origin gives one copy of the model, every file is exact, memory stays bounded", async (t) => {
    t.after(() => world.endAgents());
    const agents = await Promise.all(
      Array.from({ length: AGENTS }, (_, at) => world.start({ id: `agent-${at}`, cache: join(world.folder, `one-${at}`) })),
    );
    await world.joined(agents, AGENTS);
    const { times, notes, moved } = await pullAll("one", agents);
    const origin = ((await originBytes(agents)) + moved) / modelBytes;
    const peak = Math.max(...agents.map((agent) => agent.peakBytes()));
    t.diagnostic(`origin ${origin.toFixed(3)} × the model; ${tell(times)}; RSS of an agent at most ${Math.round(peak / MiB)} MiB`);
    for (const fault of faultsIn(agents)) t.diagnostic(fault);
    assert.deepEqual(notes, []);
    assert.ok(origin >= 1 && origin <= 1.05, `origin gave ${origin} × the model`);
    assert.ok(peak <= RSS_MAX, `an agent took ${Math.round(peak / MiB)} MiB`);
    for (const agent of agents) assert.equal(await agent.end("SIGTERM"), 0);
  });

  test("the same with one peer that lies, one that crawls and one that is killed: nobody gets a wrong byte", async (t) => {
    t.after(() => world.endAgents());
    const proxies: FaultProxy[] = [];
    t.after(() => Promise.all(proxies.map((proxy) => proxy.close())));
    const behind = async (id: string, fault: "flip" | "slow") => {
      // Its door is known only when it listens: until then nobody comes through.
      const proxy = await FaultProxy.start("http://127.0.0.1:1", { rules: [] });
      proxies.push(proxy);
      const agent = await world.start({
        id,
        cache: join(world.folder, `two-${id}`),
        flags: ["--advertise", proxy.endpoint.replace("http://", "")],
      });
      proxy.retarget(`http://${agent.address}`);
      proxy.rules = [
        { verb: "GET", prefix: "/v1/chunks/", fault: fault === "flip" ? { kind: "flip" } : { kind: "slow", bytesPerSecond: 10_000 } },
      ];
      return agent;
    };
    const plain = Array.from({ length: AGENTS - 2 }, (_, at) => world.start({ id: `agent-${at}`, cache: join(world.folder, `two-${at}`) }));
    const agents = [...(await Promise.all(plain)), await behind("liar", "flip"), await behind("crawler", "slow")];
    await world.joined(agents, AGENTS);
    const [victim, ...others] = agents;
    const pulling = pullAll("two", others, FAULTY_PULLS);
    await until(
      async () => ((await victim?.metric('ferry_agent_fetched_chunks_total{from="origin"}')) ?? 0) > 0,
      "the victim to have fetched something",
    );
    await victim?.end("SIGKILL");
    const { times, notes, moved } = await pulling;
    // Who lies or crawls has brought its own chunks for its own pulls, too, and nobody can take them from there.
    const right = others.filter(({ id }) => id !== "liar" && id !== "crawler");
    const origin = ((await originBytes(right)) + moved) / modelBytes;
    const all = (await originBytes(others)) / modelBytes;
    const faults = async (fault: string) =>
      Math.max(...(await Promise.all(others.map((agent) => agent.metric(`ferry_agent_peer_faults_total{fault="${fault}"}`)))));
    const [lied, crawled] = [await faults("lied"), await faults("crawled")];
    t.diagnostic(
      `origin ${origin.toFixed(3)} × the model for agents that are right, ${all.toFixed(3)} × for all that live; ${tell(times)}`,
    );
    t.diagnostic(`faults seen by one agent, at most: lied ${lied}, crawled ${crawled}`);
    for (const fault of faultsIn(others)) t.diagnostic(fault);
    assert.ok(lied > 0 && crawled > 0);
    assert.deepEqual(notes, [], "a pull left its agent");
    assert.ok(origin <= 1.05, `origin gave ${origin} × the model`);
  });

  /** What agents said of one another and of the ring, and how often. */
  function faultsIn(agents: readonly AgentProcess[]): string[] {
    const counts = new Map<string, number>();
    for (const { log } of agents) {
      for (const { event, fault = "", problem = "" } of log) {
        if (event === "agent.started" || event === "agent.listening") continue;
        const what = `${event} ${fault} ${problem}`.trim();
        counts.set(what, (counts.get(what) ?? 0) + 1);
      }
    }
    return [...counts].map(([what, count]) => `${what}: ${count}`);
  }

  /** A few large files of many chunks, and files of one chunk, which an agent's cache gives by link. */
  function plant(source: string): void {
    const bytes = Math.floor(MODEL_BYTES / (FILES + 2));
    mkdirSync(source, { recursive: true });
    for (let at = 0; at < FILES; at++) writeFileSync(join(source, `part-${at}.bin`), Buffer.concat([...seededBytes(`file ${at}`, bytes)]));
    const tensor = { sizeBytes: Math.max(4 * MiB, Math.floor(bytes / 2)), seed: "" };
    writeSafetensors(join(source, "model.safetensors"), { a: { ...tensor, seed: "a" }, b: { ...tensor, seed: "b" } });
  }
});
