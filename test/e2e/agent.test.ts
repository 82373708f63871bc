/** One agent, as a process: fills, kills, full disks, flipped bits, warm-ups, its door (F23, F25). */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash, randomInt } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pushFiles } from "../../scripts/node/transfer.ts";
import { RefName, type RepositoryName } from "../../shared/names.ts";
import { MiB } from "../../shared/units.ts";
import { type AgentProcess, type AgentWorld, startAgentWorld, until } from "../support/agents.ts";
import { ferryProcess } from "../support/ferry-process.ts";
import { seededBytes, writeSafetensors } from "../support/live.ts";
import { operationId, repositoryName } from "../support/memory-app.ts";
import { snapshot } from "../support/trees.ts";

const KILLS = Number(process.env["FERRY_AGENT_KILLS"] ?? 20);
const MODEL_BYTES = 24 * MiB;
const SPEED_BYTES = 256 * MiB;

describe("one agent", { timeout: 400_000 }, () => {
  let world: AgentWorld;
  let expected: Record<string, string>;
  const model = repositoryName("team/model");
  let starts = 0;
  before(async () => {
    world = await startAgentWorld();
    expected = await push(model, "model");
  });
  after(() => world?.stop());

  async function pushTree(repository: RepositoryName, source: string): Promise<Record<string, string>> {
    const control = { client: world.client(), onProgress: () => {}, signal: new AbortController().signal };
    await world.app.admin.call("createRepository", { body: { repository, operationId: operationId() } });
    const request = { repository, branch: RefName.parse("main"), message: "", sources: [source], create: false };
    await pushFiles(request, control, { cacheDir: join(world.folder, "engine"), useStatCache: false, threads: 0 });
    return snapshot(source);
  }

  async function push(repository: RepositoryName, seed: string): Promise<Record<string, string>> {
    const source = join(world.folder, `source-${seed}`);
    mkdirSync(source, { recursive: true });
    for (let at = 0; at < 8; at++) writeFileSync(join(source, `part-${at}.bin`), Buffer.concat([...seededBytes(`${seed} ${at}`, 2 * MiB)]));
    writeSafetensors(join(source, "model.safetensors"), {
      a: { sizeBytes: 4 * MiB, seed: `${seed} a` },
      b: { sizeBytes: 4 * MiB, seed: `${seed} b` },
    });
    return pushTree(repository, source);
  }

  /** A tree by way of the agent. */
  async function pull(agent: AgentProcess | { socket: string }, repository = model, wanted = expected) {
    const destination = join(world.folder, `pulled-${++starts}`);
    return world.pull({ repository, destinations: [destination], socketPath: agent.socket, compareEach: 1, expected: wanted });
  }

  const agentAt = async (name: string, flags: string[] = []) => {
    const agent = await world.start({ id: name, cache: join(world.folder, name), flags });
    await world.joined([agent], 1);
    return agent;
  };

  const chunkFiles = (cache: string) =>
    readdirSync(join(cache, "chunks"), { recursive: true, encoding: "utf8" })
      .filter((path) => path.includes("/"))
      .map((path) => join(cache, "chunks", path));

  const fillings = (cache: string) => readdirSync(join(cache, "filling")).length;

  test("a pull takes all chunks from the agent, a second one without asking the store again; files of one chunk share its disk", async (t) => {
    t.after(() => world.endAgents());
    const agent = await agentAt("plain");
    const first = await pull(agent);
    assert.deepEqual([first.wrong, first.moved, first.notes], [0, 0, []]);
    const brought = await agent.metric('ferry_agent_fetched_bytes_total{from="origin"}');
    assert.ok(brought >= MODEL_BYTES && brought < 1.01 * MODEL_BYTES, `${brought} bytes came`);
    const second = await pull(agent);
    assert.deepEqual([second.wrong, second.moved], [0, 0]);
    assert.equal(await agent.metric('ferry_agent_fetched_bytes_total{from="origin"}'), brought);
    assert.equal(await agent.end("SIGTERM"), 0);
    assert.deepEqual(
      agent.log.slice(-2).map(({ event }) => event),
      ["agent.draining", "agent.stopped"],
    );
  });

  test(`killed ${KILLS} times while it fills: no wrong chunk has a name, and the next one serves at once`, async (t) => {
    t.after(() => world.endAgents());
    let [killed, files] = [0, 0];
    for (let round = 0; round < KILLS; round++) {
      const agent = await world.start({ id: "killed", cache: join(world.folder, "killed") });
      const pulling = pull(agent);
      // In the middle of filling, each time elsewhere.
      const wantedFiles = randomInt(0, 6);
      await until(async () => chunkFiles(agent.cache).length >= wantedFiles && fillings(agent.cache) > 0, "a fill to be under way").catch(
        () => {},
      );
      if (agent.child.exitCode === null) killed++;
      await agent.end("SIGKILL");
      // Without its agent the pull goes to the store.
      assert.equal((await pulling).wrong, 0);
      for (const path of chunkFiles(agent.cache)) {
        const name = path.slice(path.lastIndexOf("/") + 1);
        assert.equal(createHash("sha256").update(readFileSync(path)).digest("hex"), name);
        files++;
      }
      rmSync(join(agent.cache, "chunks"), { recursive: true });
    }
    const agent = await agentAt("killed");
    const last = await pull(agent);
    assert.deepEqual([last.wrong, last.moved], [0, 0]);
    t.diagnostic(`${killed} kills, ${files} chunk files looked at, 0 of them wrong`);
    assert.ok(killed === KILLS && files > 0);
  });

  test("when the cache's disk is full pulls go on, from the store where they must", { skip: whyNoTmpfs() }, async (t) => {
    t.after(() => world.endAgents());
    const cache = join(world.folder, "full");
    mkdirSync(cache);
    assert.equal(spawnSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", cache]).status, 0);
    t.after(async () => {
      await world.endAgents();
      spawnSync("umount", ["-l", cache]);
    });
    const agent = await agentAt("full", ["--keep-free", "1"]);
    const result = await pull(agent);
    assert.equal(result.wrong, 0);
    t.diagnostic(`${result.given} chunks by way of the agent, ${Math.round(result.moved / MiB)} MiB from the store`);
    assert.ok((await agent.metric("ferry_agent_cache_bytes")) <= 8 * MiB);
    assert.equal(await healthOf(agent), 200);
  });

  test("a pod that does not see the cache's folder gets the bytes by the agent's door, over TCP or a socket", {
    skip: whyNoTmpfs(),
  }, async (t) => {
    t.after(() => world.endAgents());
    const socket = join(world.folder, "door.sock");
    const agent = await agentAt("unseen", ["--socket", socket]);
    for (const place of [`http://${agent.address}`, socket]) {
      const served = await agent.metric("ferry_agent_served_bytes_total");
      const destinations = [join(world.folder, `pulled-${++starts}`)];
      const order = { repository: model, destinations, socketPath: place, compareEach: 1, expected };
      const result = await world.pull(order, agent.cache);
      assert.deepEqual([result.wrong, result.moved, result.notes], [0, 0, []]);
      assert.ok((await agent.metric("ferry_agent_served_bytes_total")) - served >= MODEL_BYTES, place);
    }
  });

  test("bits that the disk flips are found before they are used, and the chunk comes anew", async (t) => {
    t.after(() => world.endAgents());
    const agent = await agentAt("rotten");
    await pull(agent);
    const flipped = chunkFiles(agent.cache).filter((_, at) => at % 3 === 0);
    for (const path of flipped) {
      const bytes = readFileSync(path);
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
      chmodSync(path, 0o644);
      writeFileSync(path, bytes);
    }
    const result = await pull(agent);
    assert.equal(result.wrong, 0);
    const dropped = await agent.metric("ferry_agent_dropped_chunks_total");
    t.diagnostic(`${flipped.length} files flipped, ${dropped} found, 0 wrong bytes in the tree`);
    assert.equal(dropped, flipped.length);
    const again = await pull(agent);
    assert.deepEqual([again.wrong, again.moved, await agent.metric("ferry_agent_dropped_chunks_total")], [0, 0, dropped]);
  });

  test("a warm-up is ready when every chunk was hashed; check tells, evict lets go; pulls of what is warm move nothing", async (t) => {
    t.after(() => world.endAgents());
    const repository = repositoryName("team/warm");
    const wanted = await push(repository, "warm");
    const agent = await agentAt("warm", ["--label", "gpu=h100"]);
    const ferry = async (...argv: string[]) => {
      const env = { FERRY_ENDPOINT: world.served.endpoint, FERRY_TOKEN: world.token, HOME: world.folder };
      const ran = await ferryProcess(["warm", ...argv, "--json"], { env });
      return { exit: ran.exit, answer: JSON.parse(ran.stdout || "{}"), stderr: ran.stderr };
    };
    const warmed = await ferry(repository, "--nodes", "gpu=h100", "--deadline", "2m", "--wait");
    assert.deepEqual([warmed.exit, warmed.answer.warmup?.nodesReady, warmed.answer.warmup?.nodesTarget], [0, 1, 1]);
    const warmth = await world.app.admin.call("warmth", { repository, query: {} });
    assert.deepEqual([warmth.ready_nodes, warmth.target_nodes, warmth.ratio], [1, 1, 1]);
    const { revision } = await world.app.admin.call("resolve", { repository, params: { ref: "main" } });
    assert.equal(await agent.metric(`ferry_agent_artifact_ready{repository="${repository}",revision="${revision}"}`), 1);
    assert.equal((await ferry(repository, "--check", "--wait")).exit, 0);
    await ferry("cancel", repository, warmed.answer.warmup.id);
    assert.equal((await ferry(repository, "--evict", "--wait")).exit, 0);
    assert.deepEqual(chunkFiles(agent.cache), []);
    assert.equal((await ferry(repository, "--nodes", "gpu=h100", "--wait")).exit, 0);
    const before = await agent.metric('ferry_agent_fetched_bytes_total{from="origin"}');
    const result = await pull(agent, repository, wanted);
    assert.deepEqual([result.wrong, result.moved, await agent.metric('ferry_agent_fetched_bytes_total{from="origin"}')], [0, 0, before]);
  });

  test("a warm pull moves nothing; beside cp, by copy and by link, and what serving costs the agent", async (t) => {
    t.after(() => world.endAgents());
    const agent = await agentAt("speed");
    const large = repositoryName("team/large");
    const source = join(world.folder, "source-large");
    mkdirSync(source);
    const tensors = Object.fromEntries(["a", "b", "c", "d"].map((name) => [name, { sizeBytes: SPEED_BYTES / 8, seed: name }]));
    writeSafetensors(join(source, "tensors.safetensors"), tensors);
    for (let at = 0; at < 8; at++)
      writeFileSync(join(source, `whole-${at}.bin`), Buffer.concat([...seededBytes(`whole ${at}`, SPEED_BYTES / 16)]));
    const wanted = await pushTree(large, source);
    await pull(agent, large, wanted);
    const seconds = async (include: string) => {
      const destinations = [join(world.folder, `speed-${++starts}`)];
      const result = await world.pull({
        repository: large,
        destinations,
        socketPath: agent.socket,
        compareEach: 1e9,
        expected: wanted,
        include: [include],
      });
      assert.deepEqual([result.moved, result.notes], [0, []]);
      return (result.times[0] ?? 0) / 1000;
    };
    const cpFrom = performance.now();
    assert.equal(spawnSync("cp", [join(source, "tensors.safetensors"), join(world.folder, "copied")]).status, 0);
    spawnSync("sync", ["-d", join(world.folder, "copied")]);
    const cp = (performance.now() - cpFrom) / 1000;
    const [copy, link] = [await seconds("*.safetensors"), await seconds("whole-*")];
    const rate = (took: number) => `${Math.round(SPEED_BYTES / 2 / MiB / took)} MiB/s`;
    t.diagnostic(`cp with sync ${rate(cp)}; warm pull by copy ${rate(copy)} (${(cp / copy).toFixed(2)} ×); by link ${rate(link)}`);
    const cpu = await servingCost(agent, large);
    t.diagnostic(`serving costs the agent ${cpu.toFixed(2)} CPU s/GiB`);
  });

  /** CPU seconds of the agent for a GiB that a reader who checks for itself takes over TCP. */
  async function servingCost(agent: AgentProcess, repository: RepositoryName): Promise<number> {
    const { revision } = await world.app.admin.call("resolve", { repository, params: { ref: "main" } });
    const { manifest } = await world.app.admin.call("manifest", { repository, params: { ref: "main" } });
    const chunks = manifest.files.flatMap((file) => ("chunk" in file && file.chunk !== undefined ? [file.chunk] : []));
    const { items } = await world.app.admin.call("chunkTickets", { repository, params: { ref: "main" }, body: { chunks } });
    const before = cpuSeconds(agent);
    let bytes = 0;
    while (bytes < 512 * MiB) {
      for (const { sha256, size, ticket } of items) {
        const query = new URLSearchParams({ size: String(size), repository, revision, ticket, checks: "self" });
        bytes += (await ask(agent, `/v1/chunks/${sha256}?${query}`, {})).bytes.length;
      }
    }
    return ((cpuSeconds(agent) - before) * 1024 * MiB) / bytes;
  }

  test("the door takes only its own name, and a ticket for that chunk", async (t) => {
    t.after(() => world.endAgents());
    const agent = await agentAt("door");
    const { revision } = await world.app.admin.call("resolve", { repository: model, params: { ref: "main" } });
    const { manifest } = await world.app.admin.call("manifest", { repository: model, params: { ref: "main" } });
    const [one, two] = manifest.files.flatMap((file) => ("chunk" in file && file.chunk !== undefined ? [file] : []));
    const sha256 = one !== undefined && "chunk" in one ? String(one.chunk) : "";
    const body = { chunks: [sha256 as never] };
    const { items } = await world.app.admin.call("chunkTickets", { repository: model, params: { ref: "main" }, body });
    const ticket = items[0]?.ticket ?? "";
    const size = String(items[0]?.size ?? 0);
    const address = (changes: Record<string, string> = {}, chunk = sha256) =>
      `/v1/chunks/${chunk}?${new URLSearchParams({ size, repository: model, revision, ticket, ...changes })}`;
    const other = two !== undefined && "chunk" in two ? String(two.chunk) : "";
    for (const [what, path, headers, status] of [
      ["the chunk", address(), {}, 200],
      ["another repository", address({ repository: "team/other" }), {}, 403],
      ["another chunk", address({}, other), {}, 403],
      ["another size", address({ size: "5" }), {}, 403],
      ["no ticket", address({ ticket: "" }), {}, 400],
      ["a changed ticket", address({ ticket: `${ticket.slice(0, -2)}AA` }), {}, 403],
      ["a ticket of long ago", address({ ticket: ticket.replace(/^\d+/, "1000") }), {}, 403],
      ["a path that climbs", "/v1/chunks/../../etc/passwd", {}, 404],
      ["another name", address(), { host: "evil.example" }, 421],
      ["another name for the metrics", "/metrics", { host: "evil.example:80" }, 421],
      ["localhost", "/healthz", { host: "localhost:7077" }, 200],
      ["a range", address(), { range: "bytes=10-19" }, 206],
      ["a range beyond", address(), { range: "bytes=99999999-" }, 416],
    ] as const) {
      assert.equal((await ask(agent, path, headers)).status, status, what);
    }
    const { status, bytes } = await ask(agent, address(), {});
    assert.deepEqual([status, createHash("sha256").update(bytes).digest("hex")], [200, sha256]);
    // A reader that does not check gets no flipped bit either.
    const path = chunkFiles(agent.cache).find((file) => file.endsWith(sha256)) ?? "";
    const flipped = readFileSync(path);
    flipped[7] = (flipped[7] ?? 0) ^ 1;
    chmodSync(path, 0o644);
    writeFileSync(path, flipped);
    assert.equal(
      createHash("sha256")
        .update((await ask(agent, address(), {})).bytes)
        .digest("hex"),
      sha256,
    );
  });

  test("a pull whose agent is not there, or of another deployment, goes to the store at once and says so", async (t) => {
    t.after(() => world.endAgents());
    const absent = await pull({ socket: join(world.folder, "nobody.sock") });
    assert.deepEqual([absent.wrong, absent.given, absent.notes.length], [0, 0, 1]);
    assert.ok(absent.moved >= MODEL_BYTES);
    const foreign = await startAgentWorld(8);
    t.after(() => foreign.stop());
    const agent = await foreign.start({ id: "foreign" });
    const refused = await pull(agent);
    assert.deepEqual([refused.wrong, refused.given], [0, 0]);
    assert.match(refused.notes.join(), /403 AGENT_TICKET_INVALID/);
  });

  test("what an agent can't work with is said in one line: a folder in use, no folder, a port in use, a token that may not", async (t) => {
    t.after(() => world.endAgents());
    const agent = await agentAt("busy");
    const env = { FERRY_ENDPOINT: world.served.endpoint, FERRY_TOKEN: world.token, HOME: world.folder };
    const start = (...flags: string[]) =>
      ferryProcess(["agent", "--max-bytes", "1GiB", "--listen", "127.0.0.1:0", ...flags], { env, timeoutMs: 20_000 });
    const file = join(world.folder, "a-file");
    writeFileSync(file, "");
    for (const [flags, exit, said] of [
      [["--cache", agent.cache], 5, /belongs to another agent/],
      [["--cache", file], 7, /can't hold a cache/],
      [["--cache", join(world.folder, "other"), "--listen", agent.address], 2, /can't listen on/],
      [["--cache", join(world.folder, "other"), "--listen", "nowhere"], 2, /--listen/],
    ] as const) {
      const ran = await start(...flags);
      assert.equal(ran.exit, exit, `${flags.join(" ")}: ${ran.stderr}`);
      assert.match(ran.stderr, said);
    }
  });

  async function healthOf(agent: AgentProcess): Promise<number> {
    return (await ask(agent, "/healthz", {})).status;
  }
});

function ask(agent: AgentProcess, path: string, headers: Record<string, string>): Promise<{ status: number; bytes: Buffer }> {
  const [host = "", port = ""] = agent.address.split(":");
  return new Promise((resolve, reject) => {
    const asked = request({ host, port, path, headers, agent: false }, async (response) => {
      const pieces: Buffer[] = [];
      for await (const piece of response) pieces.push(piece as Buffer);
      resolve({ status: response.statusCode ?? 0, bytes: Buffer.concat(pieces) });
    });
    asked.once("error", reject);
    asked.end();
  });
}

/** Of user and system, in ticks of 10 ms. */
function cpuSeconds({ child }: AgentProcess): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function whyNoTmpfs(): string | false {
  return process.platform === "linux" && process.getuid?.() === 0 ? false : "only root may mount a small disk";
}
