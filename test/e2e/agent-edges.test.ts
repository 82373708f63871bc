/** An agent with versions beside one another, and with what it can't work with. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, readlinkSync, statfsSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { pushFiles } from "../../scripts/node/transfer.ts";
import { findProgram } from "../../scripts/stack/child.ts";
import type { Digest } from "../../shared/digest.ts";
import { RefName } from "../../shared/names.ts";
import { RingTickets } from "../../shared/ring-ticket.ts";
import { MiB } from "../../shared/units.ts";
import { type AgentProcess, type AgentWorld, startAgentWorld, until } from "../support/agents.ts";
import { ferryProcess } from "../support/ferry-process.ts";
import { seededBytes } from "../support/live.ts";
import { operationId, repositoryName } from "../support/memory-app.ts";

const MODEL = repositoryName("team/versions");
const LARGE_BYTES = 8 * MiB;
/** XFS is not made smaller. */
const CLONING_DISK_BYTES = 320 * MiB;
const MKFS = findProgram("mkfs.xfs", ["/usr/sbin", "/sbin"]);

describe("an agent", { timeout: 120_000 }, () => {
  let world: AgentWorld;
  before(async () => {
    world = await startAgentWorld();
    await world.app.admin.call("createRepository", { body: { repository: MODEL, operationId: operationId() } });
    await push("one");
    await push("two");
  });
  after(() => world?.stop());
  afterEach(() => world.endAgents());

  /** A version: one large file that all have, and a small one that tells which it is. */
  async function push(version: string): Promise<void> {
    const source = join(world.folder, `source-${version}`);
    mkdirSync(source);
    writeFileSync(join(source, "weights.bin"), Buffer.concat([...seededBytes("weights", LARGE_BYTES)]));
    writeFileSync(join(source, "version.txt"), version);
    const control = { client: world.client(), onProgress: () => {}, signal: new AbortController().signal };
    const request = { repository: MODEL, branch: RefName.parse("main"), message: "", sources: [source], create: false };
    await pushFiles(request, control, { cacheDir: join(world.folder, "engine"), useStatCache: false, threads: 0 });
    await world.app.admin.call("setTag", {
      repository: MODEL,
      params: { tag: version },
      body: { ref: "main", operationId: operationId() },
    });
  }

  async function agentAt(name: string, flags: string[] = []): Promise<AgentProcess> {
    const agent = await world.start({ id: name, cache: join(world.folder, name), flags });
    await world.joined([agent], 1);
    return agent;
  }

  function ferry(agent: { socket: string }, ...argv: string[]) {
    const env = { FERRY_ENDPOINT: world.served.endpoint, FERRY_TOKEN: world.token, HOME: world.folder, FERRY_PLAIN_HTTP: "1" };
    return ferryProcess(argv, { env: { ...env, FERRY_AGENT: agent.socket }, timeoutMs: 30_000 });
  }

  test("versions lie side by side on one copy of what they share; `current` is switched in one step, and back at once", async (t) => {
    const agent = await agentAt("versions");
    const root = join(world.folder, "models");
    const current = join(root, "current");
    const bring = async (version: string) => {
      const startedMs = performance.now();
      const ran = await ferry(agent, "pull", `${MODEL}@${version}`, join(root, version), "--current", current, "--json");
      assert.equal(ran.exit, 0, ran.stderr);
      assert.deepEqual([readlinkSync(current), readFileSync(join(current, "version.txt"), "utf8")], [version, version]);
      return performance.now() - startedMs;
    };
    const [cold, next] = [await bring("one"), await bring("two")];
    const brought = () => agent.metric('ferry_agent_fetched_bytes_total{from="origin"}');
    const before = await brought();
    assert.ok(before < 1.05 * LARGE_BYTES, `${before} bytes came for both`);
    const back = await bring("one");
    assert.equal(await brought(), before);
    const blocks = [statSync(join(root, "one", "weights.bin")), statSync(join(root, "two", "weights.bin"))];
    const isOneFile = blocks[0]?.ino === blocks[1]?.ino;
    t.diagnostic(`cold ${Math.round(cold)} ms, the next ${Math.round(next)} ms, back ${Math.round(back)} ms, the whole program each time`);
    t.diagnostic(isOneFile ? "both versions and the cache are names of one file" : "the disk shares blocks, or can't");
  });

  test("where the file system clones, a version is pulled within the cache's room, as a file of its own", {
    skip: whyNoClones(),
  }, async (t) => {
    const disk = join(world.folder, "clones");
    mkdirSync(disk);
    const image = `${disk}.img`;
    writeFileSync(image, "");
    truncateSync(image, CLONING_DISK_BYTES);
    assert.equal(spawnSync(MKFS ?? "", ["-q", "-m", "reflink=1", image]).status, 0);
    if (spawnSync("mount", ["-o", "loop", image, disk]).status !== 0) return t.skip("this system mounts no XFS of a file");
    t.after(async () => {
      await world.endAgents();
      spawnSync("umount", ["-l", disk]);
    });
    const agent = await world.start({ id: "clones", cache: join(disk, "cache") });
    await world.joined([agent], 1);
    const bring = async (name: string) => {
      const freeBytes = free(disk);
      const startedMs = performance.now();
      const ran = await ferry(agent, "pull", `${MODEL}@one`, join(disk, name));
      assert.equal(ran.exit, 0, ran.stderr);
      return { tookMs: performance.now() - startedMs, tookBytes: freeBytes - free(disk) };
    };
    await bring("first");
    const { tookMs, tookBytes } = await bring("second");
    assert.ok(tookBytes < LARGE_BYTES / 4, `it took ${tookBytes} bytes of the disk`);
    const [first, second] = ["first", "second"].map((name) => statSync(join(disk, name, "weights.bin")));
    assert.ok(first?.nlink === 1 && second?.nlink === 1 && first.ino !== second.ino);
    const weights = readFileSync(join(world.folder, "source-one", "weights.bin"));
    assert.ok(readFileSync(join(disk, "second", "weights.bin")).equals(weights));
    t.diagnostic(`${LARGE_BYTES / MiB} MiB by clone: ${Math.round(tookMs)} ms, the whole program; ${tookBytes} bytes of the disk`);
    return undefined;
  });

  test("an unknown ref is said as it is without an agent", async () => {
    const agent = await agentAt("refs");
    const pulled = await ferry(agent, "pull", `${MODEL}@nothing`, join(world.folder, "nothing"));
    assert.match(pulled.stderr, /nothing/);
    assert.equal(pulled.exit, (await ferry({ socket: "off" }, "pull", `${MODEL}@nothing`, join(world.folder, "nothing"))).exit);
    const warmed = await ferry(agent, "warm", `${MODEL}@nothing`);
    assert.match(warmed.stderr, /nothing/);
    assert.notEqual(warmed.exit, 0);
  });

  test("a ticket that has expired, of another group, or made with another secret opens nothing, and the agent says which", async () => {
    const agent = await agentAt("tickets");
    const { manifest, revision } = await world.app.admin.call("manifest", { repository: MODEL, params: { ref: "main" } });
    const [file] = manifest.files.flatMap((one) => ("chunk" in one && one.chunk !== undefined ? [one] : []));
    const subject = {
      repository: MODEL,
      sha256: (file !== undefined && "chunk" in file ? file.chunk : "") as Digest,
      size: file?.size ?? 0,
    };
    const nowMs = Date.now();
    const of = async (group: string) => {
      const day = Math.floor(nowMs / 86_400_000);
      const [mac = new Uint8Array()] = await world.app.ports.keyed.macs(["ring", group], [String(day)]);
      return RingTickets.make([{ day, secret: Buffer.from(mac).toString("base64url") }]);
    };
    const day = Math.floor(nowMs / 86_400_000);
    const forged = await RingTickets.make([{ day, secret: Buffer.alloc(32, 1).toString("base64url") }]);
    for (const [tickets, untilMs, status, said] of [
      [await of("default"), nowMs + 60_000, 200, /./],
      [await of("default"), nowMs - 60_000, 403, /it has expired/],
      [await of("other"), nowMs + 60_000, 403, /another chunk, repository or group, or of another deployment/],
      [forged, nowMs + 60_000, 403, /another chunk, repository or group, or of another deployment/],
    ] as const) {
      const ticket = (await tickets.ticket(subject, nowMs, untilMs)) ?? "";
      const query = new URLSearchParams({ size: String(subject.size), repository: MODEL, revision: revision.revision, ticket, as: "path" });
      const answer = await fetch(`http://${agent.address}/v1/chunks/${subject.sha256}?${query}`);
      assert.equal(answer.status, status);
      assert.match(await answer.text(), said);
    }
  });

  test("one whose token the registry does not take is not ready, says why, and pulls go on without it", async () => {
    const agent = await world.start({ id: "stranger", env: { FERRY_TOKEN: `hf_${"x".repeat(40)}` } });
    await until(async () => agent.log.some(({ event }) => event === "heartbeat.failed"), "the agent to be refused");
    assert.match(String(agent.log.find(({ event }) => event === "heartbeat.failed")?.["problem"]), /token/);
    assert.equal((await fetch(`http://${agent.address}/readyz`)).status, 503);
    const pulled = await ferry(agent, "pull", MODEL, join(world.folder, "without"));
    assert.equal(pulled.exit, 0, pulled.stderr);
    assert.match(pulled.stderr, /without the agent of this machine/);
  });

  test("a cache that can't be written to, or is on two file systems, is refused by name", { skip: whyNoMounts() }, async (t) => {
    const mounted = (name: string, options: string, below = "") => {
      const path = join(world.folder, name, below);
      mkdirSync(path, { recursive: true });
      assert.equal(spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path]).status, 0);
      t.after(() => spawnSync("umount", ["-l", path]));
      return join(world.folder, name);
    };
    for (const [cache, said] of [
      [mounted("read-only", "size=1m,ro"), /read-only can't hold a cache: .*read-only/i],
      [mounted("two-systems", "size=1m", "chunks"), /chunks\/ and filling\/ are on different file systems/],
    ] as const) {
      const ran = await ferry({ socket: "off" }, "agent", "--max-bytes", "1GiB", "--listen", "127.0.0.1:0", "--cache", cache);
      assert.equal(ran.exit, 7, ran.stderr);
      assert.match(ran.stderr, said);
    }
  });
});

function free(disk: string): number {
  const { bavail, bsize } = statfsSync(disk);
  return bavail * bsize;
}

function whyNoClones(): string | false {
  return whyNoMounts() || (MKFS === null ? "mkfs.xfs is not installed" : false);
}

function whyNoMounts(): string | false {
  return process.platform === "linux" && process.getuid?.() === 0 ? false : "only root may mount a small disk";
}
