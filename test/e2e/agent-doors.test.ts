/** Further doors of an agent: what they are given, by the caller's own token, out of the cache. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { after, before, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { concatenate } from "../../functions/doors/concatenate.ts";
import type { AgentDoor } from "../../scripts/agent/doors.ts";
import { s3Door } from "../../scripts/agent/s3-door.ts";
import { runAgent } from "../../scripts/agent.ts";
import { pushFiles } from "../../scripts/node/transfer.ts";
import { FerryClient } from "../../shared/client.ts";
import { FerryError } from "../../shared/errors.ts";
import { RefName } from "../../shared/names.ts";
import { MiB } from "../../shared/units.ts";
import { type AgentWorld, startAgentWorld, until } from "../support/agents.ts";
import { writeSafetensors } from "../support/live.ts";
import { operationId, repositoryName } from "../support/memory-app.ts";

const MODEL = repositoryName("team/model");

/** Answers `GET /<path>?start=&end=` with bytes of a file of the model, to whoever has the right. */
const fileDoor: AgentDoor = {
  name: "files",
  listen: { host: "127.0.0.1", port: 0 },
  open: async ({ catalogOf }) => {
    let active = 0;
    const server: Server = createServer((request, response) => {
      active++;
      const url = new URL(request.url ?? "/", "http://door");
      const answer = async () => {
        const catalog = await catalogOf((request.headers.authorization ?? "").replace("Bearer ", "")).meet();
        const snapshot = await catalog.snapshot(MODEL, "main");
        const file = snapshot.find(url.pathname.slice(1));
        if (file === null) throw new FerryError("FILE_UNKNOWN", { revision: snapshot.revision.id, path: url.pathname });
        const range = { start: Number(url.searchParams.get("start") ?? 0), end: Number(url.searchParams.get("end") ?? file.size) };
        const pieces = await catalog.pieces(snapshot, file, range);
        await pipeline(concatenate(catalog, pieces, { stallMs: catalog.patienceMs }), response);
      };
      answer()
        .catch((error: unknown) => response.writeHead(error instanceof FerryError ? error.status : 500).end())
        .finally(() => active--);
    });
    return { server, active: () => active, metrics: () => "door_answers 1\n" };
  },
};

describe("further doors of an agent", { timeout: 60_000 }, () => {
  let world: AgentWorld;
  let bytes: Buffer;
  const log: Record<string, unknown>[] = [];
  const stop = new AbortController();
  let running: Promise<void>;
  before(async () => {
    world = await startAgentWorld();
    const source = join(world.folder, "source");
    mkdirSync(source);
    writeSafetensors(join(source, "model.safetensors"), { a: { sizeBytes: 5 * MiB, seed: "a" }, b: { sizeBytes: 6 * MiB, seed: "b" } });
    writeFileSync(join(source, "config.json"), "{}");
    bytes = readFileSync(join(source, "model.safetensors"));
    const control = { client: world.client(), onProgress: () => {}, signal: new AbortController().signal };
    await world.app.admin.call("createRepository", { body: { repository: MODEL, operationId: operationId() } });
    const request = { repository: MODEL, branch: RefName.parse("main"), message: "", sources: [source], create: false };
    await pushFiles(request, control, { cacheDir: join(world.folder, "engine"), useStatCache: false, threads: 0 });
    running = runAgent(settings(), { log: (line) => log.push(line), signal: stop.signal });
    await until(async () => log.some(({ event }) => event === "ring.changed"), "the agent to join");
  });
  after(async () => {
    stop.abort();
    await running;
    await world.stop();
  });

  function settings(name = "doors"): Parameters<typeof runAgent>[0] {
    const cache = join(world.folder, name);
    return {
      client: world.client(),
      version: "0",
      group: "default",
      id: name,
      zone: "",
      weight: 1,
      labels: {},
      cache,
      maxBytes: 1024 * MiB,
      maxAgeSeconds: 86_400,
      keepFreeBytes: 0,
      anySystem: false,
      listen: { host: "127.0.0.1", port: 0 },
      advertise: null,
      socket: null,
      originWidth: 4,
      scrubPercentPerDay: 0,
      cluster: null,
      doors: [fileDoor],
      clientOf: (token) =>
        new FerryClient({
          endpoint: world.served.endpoint,
          token,
          fetch,
          sleep: (ms) => wait(ms),
          random: Math.random,
          attempts: 1,
        }),
    };
  }

  async function ask(path: string, token = world.token): Promise<{ status: number; bytes: Buffer }> {
    const address = String(log.find(({ event }) => event === "door.listening")?.["address"]);
    const answer = await fetch(`http://${address}${path}`, { headers: { authorization: `Bearer ${token}` } });
    return { status: answer.status, bytes: Buffer.from(await answer.arrayBuffer()) };
  }

  test("a file and any range of it come byte for byte, cold and from the cache", async () => {
    const range = await ask("/model.safetensors?start=4000000&end=9000000");
    assert.ok(range.bytes.equals(bytes.subarray(4_000_000, 9_000_000)));
    for (const _ of ["while the rest comes", "from the cache"]) {
      const whole = await ask("/model.safetensors");
      assert.deepEqual([whole.status, whole.bytes.equals(bytes)], [200, true]);
    }
    assert.equal((await ask("/config.json")).bytes.toString(), "{}");
    assert.equal((await ask("/nothing.bin")).status, 404);
  });

  test("what lies in the cache is given to nobody whose token the registry does not let in", async () => {
    const { token } = await world.app.admin.call("createToken", {
      body: { name: "other", scopes: [{ repositories: "other/*", actions: ["pull"] }] },
    });
    assert.equal((await ask("/config.json")).status, 200);
    assert.equal((await ask("/config.json", "hf_nobody")).status, 401);
    assert.equal((await ask("/config.json", token)).status, 404);
  });

  test("a cache that has no room for a chunk is passed by: an S3 client gets a file, and any range of it, all the same", async (t) => {
    const lines: Record<string, unknown>[] = [];
    const over = new AbortController();
    const door = { listen: { host: "127.0.0.1", port: 0 }, spoolBytes: MiB, keepSeconds: 60, keyFile: null, anonymousToken: world.token };
    const tiny = { ...settings("tiny"), maxBytes: MiB, group: "tiny", doors: [s3Door(door)] };
    const ended = runAgent(tiny, { log: (line) => lines.push(line), signal: over.signal });
    t.after(async () => {
      over.abort();
      await ended;
    });
    const addressOf = (event: string) => String(lines.find((line) => line["event"] === event)?.["address"]);
    await until(async () => lines.some(({ event }) => event === "door.listening"), "the door to listen");
    const object = `http://${addressOf("door.listening")}/team/model/main/model.safetensors`;
    const whole = await fetch(object);
    assert.deepEqual([whole.status, Buffer.from(await whole.arrayBuffer()).equals(bytes)], [200, true]);
    const part = await fetch(object, { headers: { range: "bytes=4000000-8999999" } });
    assert.deepEqual([part.status, Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(4_000_000, 9_000_000))], [206, true]);
    const metrics = await (await fetch(`http://${addressOf("agent.listening")}/metrics`)).text();
    assert.match(metrics, /^ferry_agent_cache_chunks 0$/m);
  });

  test("the door's figures are among the agent's", async () => {
    const address = String(log.find(({ event }) => event === "agent.listening")?.["address"]);
    assert.match(await (await fetch(`http://${address}/metrics`)).text(), /^door_answers 1$/m);
  });

  test("without the registry a caller who was let in before goes on, and nobody else", async () => {
    assert.equal((await ask("/config.json")).status, 200);
    await world.served.stop();
    assert.equal((await ask("/config.json")).bytes.toString(), "{}");
    assert.equal((await ask("/config.json", "hf_somebody")).status, 503);
  });
});
