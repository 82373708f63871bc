/** What push and pull make of a bad network and a bad store (reference/safety.md §6: F1, F8 to F11, F21, F23), with figures printed. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { EngineOptions } from "../../scripts/node/transfer.ts";
import type { FerryError } from "../../shared/errors.ts";
import { KiB, MiB } from "../../shared/units.ts";
import { type FakeRegistryOptions, REPOSITORY } from "../support/fake-registry.ts";
import { type Fault, FaultProxy, type FaultRule } from "../support/fault-proxy.ts";
import { type Bench, withBench } from "../support/transfer-bench.ts";
import { plant, randomTensor, safetensors, snapshot } from "../support/trees.ts";

const CHILD = fileURLToPath(new URL("../support/transfer-child.ts", import.meta.url));
const KILLS = Number(process.env["FERRY_KILLS"] ?? 12);
/** What a killed transfer may have to move again: the chunk of each of its four connections, and as many that had just come. */
const LOST_BYTES_MAX = 8 * 5 * MiB;

type Faulty = Bench & { proxy: FaultProxy; context: TestContext };

/** What hangs on how a transport tells of a fault, and so is to hold for each. */
export function transportFaultsSuite(name: string, engine: Partial<EngineOptions>): void {
  const check = checkOf(name, engine);
  refusals(check);
  wrongBytes(check);
  stalls(check);
  endGame(check);
}

/** What is decided above transports: when to ask again, whom to ask, what a death or a full disk leaves. */
export function engineFaultsSuite(name: string, engine: Partial<EngineOptions>): void {
  const check = checkOf(name, engine);
  busyStore(check);
  otherStore(check);
  kills(check, engine);
  fullDisk(check);
}

function checkOf(name: string, engine: Partial<EngineOptions>): Check {
  return (guarantee, work, options = {}) =>
    test(`${name}: ${guarantee}`, { timeout: 120_000 }, (context) =>
      withBench(options, engine, async (bench) => {
        const proxy = await FaultProxy.start(bench.registry.endpoint);
        bench.registry.options.storeEndpoint = () => proxy.endpoint;
        try {
          await work({ ...bench, proxy, context });
        } finally {
          await proxy.close();
        }
      }),
    );
}

type Check = (guarantee: string, work: (faulty: Faulty) => Promise<void>, options?: FakeRegistryOptions) => void;

function manyFiles(count: number, sizeBytes: number): Record<string, Buffer> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`f${n}.bin`, randomTensor(sizeBytes)]));
}

const SLOW_DOWN: Fault = { kind: "status", status: 503, code: "SlowDown" };

/** F8, F9. */
function refusals(check: Check): void {
  const busy: [string, Fault][] = [
    ["503 SlowDown", SLOW_DOWN],
    ["429", { kind: "status", status: 429 }],
    ["500 InternalError", { kind: "status", status: 500, code: "InternalError" }],
    ["a reset before it", { kind: "reset-before" }],
    ["a reset after it", { kind: "apply-then-reset" }],
  ];
  const shares = [...busy.map(([what, fault]) => ({ what, fault, share: 0.1 })), { what: "503", fault: SLOW_DOWN, share: 0.3 }];
  for (const { what, fault, share } of shares) {
    check(`${share * 100} % of all requests answered by ${what}: both ways succeed, with few requests more (F8, F9)`, async (faulty) => {
      const { source, destination, proxy, push, pull, context } = faulty;
      plant(source, manyFiles(120, 20 * KiB));
      proxy.rules = [{ probability: share, fault }];
      const pushed = await push();
      const pulled = await pull();
      assert.deepEqual(snapshot(destination), snapshot(source));
      const ideal = pushed.chunksTotal + pulled.chunksTotal;
      const requests = proxy.requestCount("PUT") + proxy.requestCount("GET");
      const amplification = requests / ideal;
      context.diagnostic(`requests / ideal = ${amplification.toFixed(2)}; faults ${proxy.faultCount()}`);
      assert.ok(proxy.faultCount() > 12, "the faults happened");
      // Each fault costs one request: of three in ten, none less than 1 / 0.7.
      if (share === 0.1) assert.ok(amplification <= 1.3, `${amplification}`);
      // On a busy machine answers may come so late that they are asked for again: a tenth of all requests, at most.
      assert.ok(requests <= 1.1 * (ideal + proxy.faultCount()), `${requests} requests, ${ideal} wanted, ${proxy.faultCount()} faults`);
    });
  }

  check("Retry-After is honoured (F8)", async ({ source, proxy, push }) => {
    plant(source, { "a.bin": randomTensor(1000) });
    proxy.rules = [{ nth: (n) => n === 1, fault: { kind: "status", status: 429, retryAfterSeconds: 1 } }];
    const startedMs = performance.now();
    await push();
    assert.ok(performance.now() - startedMs >= 1000);
  });

  check(
    "URLs that live two seconds on a slow link are renewed, by page (F21)",
    async ({ source, destination, proxy, registry, push, pull, context }) => {
      plant(source, manyFiles(16, 512 * KiB));
      proxy.rules = [{ verb: "GET", fault: { kind: "slow", bytesPerSecond: MiB } }];
      await push();
      registry.resetCounts();
      const pulled = await pull({}, { connections: 2 });
      context.diagnostic(`${pulled.seconds.toFixed(1)} s, ${registry.counts["download"]} pages of URLs`);
      assert.ok(pulled.seconds > 2);
      assert.ok((registry.counts["download"] ?? 0) <= 2 + pulled.seconds / 1.5);
      assert.deepEqual(snapshot(destination), snapshot(source));
    },
    { ticketSeconds: 2 },
  );
}

/** F8. */
function busyStore(check: Check): void {
  check("a store that was busy for a second and a half is asked little meanwhile, and not stormed when it is back (F8)", async (faulty) => {
    const { source, destination, proxy, push, pull, context } = faulty;
    plant(source, manyFiles(400, 4 * KiB));
    await push();
    const seenMs: number[] = [];
    const isBusy = () => {
      seenMs.push(performance.now());
      return (seenMs.at(-1) ?? 0) < (seenMs[0] ?? 0) + 1500;
    };
    proxy.rules = [{ verb: "GET", nth: isBusy, fault: SLOW_DOWN }];
    await pull({}, { connections: 8, patienceSeconds: 30 });
    const backMs = (seenMs[0] ?? 0) + 1500;
    const meanwhile = seenMs.filter((ms) => ms < backMs).length;
    const slices = slicesOf(seenMs.filter((ms) => ms >= backMs));
    const mean = slices.reduce((sum, count) => sum + count, 0) / slices.length;
    const peak = Math.max(...slices);
    context.diagnostic(`${meanwhile} requests while it was busy; then, in 100 ms, ${peak} at most, ${mean.toFixed(0)} on average`);
    // Of 64 files on their way each is asked for three times at most.
    assert.ok(meanwhile <= 3 * 64, `${meanwhile} requests`);
    assert.ok(seenMs.length <= 400 + meanwhile + 40, `${seenMs.length} requests`);
    assert.deepEqual(snapshot(destination), snapshot(source));
  });

  check("a store that fails for two seconds while a push sends costs a wait, not the push (F8)", async (faulty) => {
    const { source, destination, proxy, push, pull, context } = faulty;
    plant(source, manyFiles(150, 4 * KiB));
    let beganMs = 0;
    const isGone = (nth: number) => {
      if (nth === 20) beganMs = performance.now();
      return nth >= 20 && performance.now() < beganMs + 2000;
    };
    proxy.rules = [{ verb: "PUT", nth: isGone, fault: { kind: "reset-before" } }];
    const pushed = await push({}, { patienceSeconds: 30 });
    context.diagnostic(`${pushed.seconds.toFixed(1)} s, ${proxy.faultCount()} requests while it was gone`);
    assert.ok(proxy.faultCount() > 0);
    await pull();
    assert.deepEqual(snapshot(destination), snapshot(source));
  });

  check("a store that is gone is an error within the budget, and nothing is committed (F8)", async ({ source, proxy, push, registry }) => {
    plant(source, manyFiles(40, 1000));
    proxy.rules = [{ fault: { kind: "status", status: 503 } }];
    await assert.rejects(push({}, { connections: 16 }), { code: "TRANSFER_FAILED" });
    assert.ok(proxy.requestCount("PUT") <= 160, `${proxy.requestCount("PUT")} requests`);
    assert.equal(registry.revisions(REPOSITORY).length, 0);
  });
}

/** How many moments there are in each 100 ms, from the first on. */
function slicesOf(momentsMs: readonly number[]): number[] {
  const slices = [0];
  for (const ms of momentsMs) {
    const at = Math.floor((ms - (momentsMs[0] ?? 0)) / 100);
    while (slices.length <= at) slices.push(0);
    slices[at] = (slices[at] ?? 0) + 1;
  }
  return slices;
}

/** F10, F11. */
function wrongBytes(check: Check): void {
  const up = [
    { what: "bits flipped", kind: "flip-request" },
    { what: "bodies exchanged", kind: "swap-request" },
  ] as const;
  for (const { what, kind } of up) {
    check(`${what} on the way up: the store refuses each, and in the end has only right bytes (F10)`, async (faulty) => {
      const { source, destination, proxy, push, pull, context } = faulty;
      plant(source, manyFiles(40, 20 * KiB));
      proxy.rules = [{ verb: "PUT", probability: 0.25, fault: { kind } }];
      await push();
      proxy.rules = [];
      await pull();
      context.diagnostic(`${what}: ${proxy.faultCount(kind)}, all refused`);
      assert.ok(proxy.faultCount(kind) >= 5);
      assert.deepEqual(snapshot(destination), snapshot(source));
    });
  }

  const down: [string, Fault, FaultRule["nth"]?][] = [
    ["bits flipped", { kind: "flip" }],
    ["answers cut short", { kind: "truncate", bytes: 7 * KiB }],
    ["gzip nobody asked for", { kind: "gzip" }],
    ["a login page with status 200", { kind: "portal" }],
  ];
  for (const [what, fault] of down) {
    check(`${what} on the way down: every file is exact (F11)`, async ({ source, destination, proxy, push, pull, context }) => {
      plant(source, manyFiles(40, 20 * KiB));
      await push();
      proxy.rules = [{ verb: "GET", nth: (n) => n <= 14, fault }];
      await pull();
      context.diagnostic(`faults ${proxy.faultCount()}, undetected 0`);
      assert.ok(proxy.faultCount() === 14);
      assert.deepEqual(snapshot(destination), snapshot(source));
    });
  }

  check(
    "huggingface_hub #3778: an answer that ignores the range after a cut is taken from its start (F11)",
    async ({ source, destination, proxy, push, pull }) => {
      plant(source, manyFiles(1, MiB));
      await push();
      proxy.rules = [
        { verb: "GET", nth: (n) => n === 1, fault: { kind: "truncate", bytes: 300 * KiB } },
        { verb: "GET", fault: { kind: "ignore-range" } },
      ];
      await pull();
      assert.deepEqual(proxy.faults, { truncate: 1, "ignore-range": 1 });
      assert.deepEqual(snapshot(destination), snapshot(source));
    },
  );
}

function stalls(check: Check): void {
  check("answers that stop in the middle are gone on with, and no byte is fetched twice", async (faulty) => {
    const { source, destination, proxy, push, pull, context } = faulty;
    plant(source, manyFiles(8, 2 * MiB));
    await push();
    proxy.rules = [{ verb: "GET", nth: (n) => n <= 4, fault: { kind: "stall", bytes: MiB } }];
    const pulled = await pull({}, { stallSeconds: 1 });
    context.diagnostic(`${pulled.seconds.toFixed(1)} s, ${proxy.sentBytes - 16 * MiB} bytes too many`);
    assert.equal(proxy.faultCount("stall"), 4);
    assert.ok(pulled.seconds < 10);
    assert.ok(proxy.sentBytes <= 16 * MiB + 512 * KiB, `${proxy.sentBytes}`);
    assert.deepEqual(snapshot(destination), snapshot(source));
  });

  const stuck: [string, Fault][] = [
    ["stop being read", { kind: "stall-request", bytes: MiB }],
    ["are cut", { kind: "cut-request", bytes: MiB }],
  ];
  for (const [what, fault] of stuck) {
    check(`bodies that ${what} on the way up are sent again, and the store has each chunk once`, async (faulty) => {
      const { source, destination, proxy, push, pull, registry, context } = faulty;
      plant(source, manyFiles(4, 12 * MiB));
      proxy.rules = [{ verb: "PUT", nth: (n) => n <= 3, fault }];
      const pushed = await push({}, { stallSeconds: 1 });
      context.diagnostic(`${pushed.seconds.toFixed(1)} s, ${proxy.requestCount("PUT")} PUTs for ${pushed.chunksTotal} chunks`);
      assert.equal(proxy.faultCount(fault.kind), 3);
      assert.equal(registry.objects.size, 4);
      assert.ok(pushed.seconds < 20, `${pushed.seconds} s`);
      await pull();
      assert.deepEqual(snapshot(destination), snapshot(source));
    });
  }

  check("a store that takes a body and never answers is asked again", async ({ source, destination, proxy, push, pull }) => {
    plant(source, manyFiles(4, 20 * KiB));
    proxy.rules = [{ verb: "PUT", nth: (n) => n <= 2, fault: { kind: "delay", ms: 4000 } }];
    const pushed = await push({}, { stallSeconds: 1 });
    assert.ok(pushed.seconds < 4, `${pushed.seconds} s`);
    await pull();
    assert.deepEqual(snapshot(destination), snapshot(source));
  });
}

function endGame(check: Check): void {
  check(
    "connections that have nothing to do take halves of what others bring slowly, and the chunk is verified as a whole",
    async (faulty) => {
      const { source, destination, proxy, push, pull, context } = faulty;
      plant(source, { "one.bin": randomTensor(32 * MiB) });
      await push();
      proxy.rules = [{ verb: "GET", fault: { kind: "slow", bytesPerSecond: 8 * MiB } }];
      const pulled = await pull({}, { direct: "always" });
      const amplification = proxy.sentBytes / (32 * MiB);
      context.diagnostic(
        `${pulled.seconds.toFixed(1)} s, ${proxy.requestCount("GET")} requests, ${amplification.toFixed(2)} times the bytes`,
      );
      assert.ok(proxy.requestCount("GET") > 1);
      assert.ok(amplification <= 1.3);
      assert.equal(pulled.chunksMoved, 1);
      assert.deepEqual(snapshot(destination), snapshot(source));
    },
  );

  check("bits flipped in a half: the chunk is fetched again, and exact", async ({ source, destination, proxy, push, pull }) => {
    plant(source, { "one.bin": randomTensor(32 * MiB) });
    await push();
    proxy.rules = [
      { verb: "GET", nth: (n) => n === 2, fault: { kind: "flip" } },
      { verb: "GET", nth: (n) => n === 1, fault: { kind: "slow", bytesPerSecond: 8 * MiB } },
    ];
    await pull();
    assert.ok(proxy.requestCount("GET") > 2);
    assert.equal(proxy.faultCount("flip"), 1);
    assert.deepEqual(snapshot(destination), snapshot(source));
  });

  check("a store that gives no halves gives the whole, by one connection", async ({ source, destination, proxy, push, pull }) => {
    plant(source, { "one.bin": randomTensor(20 * MiB) });
    await push();
    proxy.rules = [
      { verb: "GET", nth: (n) => n === 1, fault: { kind: "slow", bytesPerSecond: 8 * MiB } },
      { verb: "GET", nth: (n) => n === 1, fault: { kind: "status", status: 416, code: "InvalidRange" } },
    ];
    await pull();
    assert.equal(proxy.faultCount("status"), 1);
    assert.deepEqual(snapshot(destination), snapshot(source));
  });
}

function otherStore(check: Check): void {
  const failing: [string, Fault][] = [
    ["answers 503", { kind: "status", status: 503, code: "SlowDown" }],
    ["has lost everything", { kind: "status", status: 404, code: "NoSuchKey" }],
    ["spoils every answer", { kind: "flip" }],
  ];
  for (const [what, fault] of failing) {
    check(`a store that ${what} is left for another one that has the revision`, async (faulty) => {
      const { source, destination, proxy, push, pull, registry, context } = faulty;
      plant(source, manyFiles(40, 20 * KiB));
      await push();
      proxy.rules = [{ verb: "GET", fault }];
      await assert.rejects(pull(), "there is no other one");
      const alone = proxy.requestCount("GET");
      registry.options.westEndpoint = registry.endpoint;
      await pull();
      context.diagnostic(`${alone} requests before it was given up, ${proxy.requestCount("GET") - alone} before the other one was asked`);
      assert.deepEqual(snapshot(destination), snapshot(source));
    });
  }
}

/** F1. */
function kills(check: Check, engine: Partial<EngineOptions>): void {
  check(`${KILLS} pushes killed at any byte: no revision before the last, and little is sent twice (F1)`, async (faulty) => {
    const { source, destination, registry, proxy, pull, context } = faulty;
    plant(source, { ...manyFiles(60, 256 * KiB), "m.safetensors": safetensors({ a: randomTensor(5 * MiB), b: randomTensor(4 * MiB) }) });
    const totalBytes = 60 * 256 * KiB + 9 * MiB;
    let killed = 0;
    for (let run = 0; run < KILLS; run++) {
      const ended = await runChild(faulty, engine, { verb: "push", folder: source, killAfterRequests: 1 + ((run * 7) % 23) });
      if (ended === "killed") killed++;
      assert.equal(registry.revisions(REPOSITORY).length, ended === "killed" ? 0 : 1);
      if (ended === "done") break;
    }
    if (registry.revisions(REPOSITORY).length === 0) assert.equal(await runChild(faulty, engine, { verb: "push", folder: source }), "done");
    proxy.rules = [];
    await pull();
    assert.deepEqual(snapshot(destination), snapshot(source));
    const again = registry.putBytes / totalBytes - 1;
    context.diagnostic(`kills ${killed}, partial revisions 0, bytes sent again ${(100 * again).toFixed(0)} %`);
    assert.ok(killed >= 2);
    assert.ok(registry.putBytes <= totalBytes + killed * LOST_BYTES_MAX, "only what was on its way is sent again");
  });

  check(`${KILLS} pulls killed at any byte: no file with its name is ever wrong, and little is fetched twice (F1)`, async (faulty) => {
    const { source, destination, push, registry, context } = faulty;
    plant(source, { ...manyFiles(20, 256 * KiB), "m.safetensors": safetensors(manyTensors(6)) });
    const totalBytes = 20 * 256 * KiB + 6 * 4 * MiB;
    await push();
    registry.resetCounts();
    const right = snapshot(source);
    let killed = 0;
    for (let run = 0; run < KILLS; run++) {
      const ended = await runChild(faulty, engine, { verb: "pull", folder: destination, killAfterRequests: 1 + ((run * 5) % 9) });
      if (ended === "killed") killed++;
      const found = existsSync(destination) ? snapshot(destination) : {};
      for (const [path, what] of Object.entries(found)) if (!path.includes(".ferry-")) assert.equal(what, right[path], path);
      if (ended === "done") break;
    }
    assert.equal(await runChild(faulty, engine, { verb: "pull", folder: destination }), "done");
    assert.deepEqual(snapshot(destination), right);
    const again = registry.getBytes / totalBytes - 1;
    context.diagnostic(`kills ${killed}, wrong files 0, bytes fetched again ${(100 * again).toFixed(0)} %`);
    assert.ok(killed >= 2);
    assert.ok(registry.getBytes <= totalBytes + killed * LOST_BYTES_MAX, "only what was on its way is fetched again");
  });
}

function manyTensors(count: number): Record<string, Buffer> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`t${n}`, randomTensor(4 * MiB)]));
}

type Running = { verb: "push" | "pull"; folder: string; killAfterRequests?: number };

/** Runs a transfer in a process, killed (SIGKILL, by its own id) at the given request to the store. */
async function runChild({ registry, proxy }: Faulty, engine: Partial<EngineOptions>, running: Running): Promise<"killed" | "done"> {
  const options = { cacheDir: join(running.folder, "..", "cache"), useStatCache: false, connections: 4, ...engine };
  const job = JSON.stringify({ verb: running.verb, endpoint: registry.endpoint, folder: running.folder, options });
  const child = spawn(process.execPath, [CHILD, job], { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.on("data", (text: Buffer) => {
    errors += text.toString();
  });
  let requests = 0;
  const strike = (): boolean => {
    if (++requests === running.killAfterRequests) child.kill("SIGKILL");
    return false;
  };
  proxy.rules = [{ nth: strike, fault: { kind: "reset-before" } }];
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => child.once("close", (...ended) => resolve(ended)));
  if (signal === "SIGKILL") return "killed";
  assert.equal(code, 0, errors);
  return "done";
}

/** F23. */
function fullDisk(check: Check): void {
  check("a full disk is an error that names the file; no file is half there; with room again, it goes on (F23)", async (faulty) => {
    const { source, destination, push, pull, context } = faulty;
    plant(source, { "small.bin": randomTensor(MiB), "m.safetensors": safetensors(manyTensors(5)) });
    await push();
    await onSmallDisk({ destination, context, sizeMiB: 24 }, async () => {
      plant(destination, { "ballast.bin": randomTensor(15 * MiB) });
      await assert.rejects(pull(), isFull);
      assert.ok(!existsSync(join(destination, "m.safetensors")));
      rmSync(join(destination, "ballast.bin"));
      await pull();
      assert.deepEqual(snapshot(destination), snapshot(source));
      assert.deepEqual(left(destination), []);
    });
  });

  for (const direct of ["never", "always"] as const) {
    check(
      `a disk that fills up while a pull writes (direct: ${direct}): the same, and what was there is not fetched again (F23)`,
      async (faulty) => {
        const { source, destination, proxy, push, pull, registry, context } = faulty;
        plant(source, { "m.safetensors": safetensors(manyTensors(5)) });
        await push();
        registry.resetCounts();
        await onSmallDisk({ destination, context, sizeMiB: 24 }, async () => {
          const fill = (n: number): boolean => {
            if (n === 3) plant(destination, { "ballast.bin": randomTensor(15 * MiB) });
            return false;
          };
          proxy.rules = [{ verb: "GET", nth: fill, fault: { kind: "reset-before" } }];
          await assert.rejects(pull({}, { direct, connections: 1 }), isFull);
          assert.deepEqual(
            Object.keys(snapshot(destination)).filter((path) => !path.startsWith(".ferry-")),
            ["ballast.bin"],
          );
          rmSync(join(destination, "ballast.bin"));
          proxy.rules = [];
          const rest = await pull({}, { direct, connections: 1 });
          context.diagnostic(`${rest.chunksMoved} of ${rest.chunksTotal} chunks left to fetch`);
          assert.ok(rest.chunksMoved < rest.chunksTotal);
          assert.deepEqual(snapshot(destination), snapshot(source));
          assert.deepEqual(left(destination), []);
        });
      },
    );
  }

  check("a disk that may only be read is an error that names the file (F23)", async ({ source, destination, push, pull, context }) => {
    plant(source, { "a.bin": "a" });
    await push();
    await onSmallDisk({ destination, context, sizeMiB: 1, more: ",ro" }, async () => {
      await assert.rejects(pull(), (error: FerryError) => error.code === "FILE_UNWRITABLE" && /read-only/.test(error.message));
    });
  });
}

function isFull(error: FerryError): boolean {
  return error.code === "FILE_UNWRITABLE" && error.details["path"] === "m.safetensors" && /no space/.test(error.message);
}

function left(destination: string): string[] {
  return readdirSync(destination).filter((name) => name.startsWith(".ferry-"));
}

type SmallDisk = { destination: string; context: TestContext; sizeMiB: number; more?: string };

async function onSmallDisk({ destination, context, sizeMiB, more = "" }: SmallDisk, work: () => Promise<void>): Promise<void> {
  mkdirSync(destination);
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${sizeMiB}m${more}`, "tmpfs", destination]);
  if (mounted.status !== 0) return context.skip("this machine does not let the test mount a small disk");
  try {
    await work();
  } finally {
    spawnSync("umount", [destination]);
  }
}
