/** A whole running system for end-to-end tests, with probed stores, and the means to look at it from outside. */
import { createCipheriv, createHash } from "node:crypto";
import { closeSync, createReadStream, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { FerryClient } from "../../shared/client.ts";
import type { Scope } from "../../shared/contract/access.ts";
import { MiB } from "../../shared/units.ts";
import { ferryProcess, type ProcessOptions } from "./ferry-process.ts";
import { proveStores } from "./proven-stores.ts";
import { startTestStack, type TestStack, type TestStackOptions } from "./stack.ts";
import { tempFolder } from "./trees.ts";

export type Live = {
  stack: TestStack;
  admin: FerryClient;
  clientFor(token: string): FerryClient;
  /** A new token with these scopes. */
  tokenFor(...scopes: Scope[]): Promise<string>;
  /** Runs `ferry … --json` and returns what it printed; throws with its errors when it failed. */
  ferry(argv: readonly string[], options?: ProcessOptions & { token?: string; endpoint?: string }): Promise<Record<string, unknown>>;
  env(token?: string, endpoint?: string): Record<string, string>;
  /** As if the managed Redis had lost everything. */
  wipeRedis(): Promise<void>;
  stop(): Promise<void>;
};

/** `onStack`: told of the stack before the app is first asked for anything. */
export async function startLive({ onStack, ...options }: TestStackOptions & { onStack?: (stack: TestStack) => void }): Promise<Live> {
  const stack = await startTestStack(options);
  onStack?.(stack);
  const config = tempFolder();
  const clientFor = (token: string) =>
    new FerryClient({
      endpoint: stack.endpoint,
      token,
      fetch,
      sleep: (ms) => new Promise((wake) => setTimeout(wake, ms)),
      random: Math.random,
    });
  const admin = clientFor(stack.token);
  await proveStores(stack.stores, admin);
  const env = (token = stack.token, endpoint = stack.endpoint) => ({
    FERRY_ENDPOINT: endpoint,
    FERRY_TOKEN: token,
    XDG_CONFIG_HOME: config.path,
    XDG_CACHE_HOME: config.path,
    HOME: config.path,
  });
  return {
    stack,
    admin,
    clientFor,
    env,
    tokenFor: async (...scopes) => (await admin.call("createToken", { body: { name: "test", scopes } })).token,
    async ferry(argv, { token, endpoint, ...process } = {}) {
      const ran = await ferryProcess([...argv, "--json"], { ...process, env: { ...env(token, endpoint), ...process.env } });
      if (ran.exit !== 0) throw new Error(`ferry ${argv.join(" ")} left with ${ran.exit}: ${ran.stderr}`);
      return JSON.parse(ran.stdout) as Record<string, unknown>;
    },
    async stop() {
      await stack.stop();
      config.remove();
    },
    async wipeRedis() {
      const headers = { authorization: `Bearer ${stack.bridge.token}` };
      const answer = await fetch(stack.bridge.url, { method: "POST", headers, body: JSON.stringify(["FLUSHALL"]) });
      if (!answer.ok) throw new Error(`FLUSHALL was answered with ${answer.status}`);
    },
  };
}

/** Incompressible bytes from a seed, as fast as AES: the same seed gives the same bytes. */
export function* seededBytes(seed: string, sizeBytes: number): Generator<Buffer> {
  const cipher = createCipheriv("aes-128-ctr", createHash("sha256").update(seed).digest().subarray(0, 16), Buffer.alloc(16));
  const zeros = Buffer.alloc(MiB);
  for (let left = sizeBytes; left > 0; left -= MiB) yield cipher.update(zeros.subarray(0, Math.min(MiB, left)));
}

/** Writes a safetensors file of `tensors` (name → bytes and the seed of its content) without holding it. */
export function writeSafetensors(
  path: string,
  tensors: Readonly<Record<string, { sizeBytes: number; seed: string }>>,
  metadata: Record<string, string> = {},
): void {
  mkdirSync(dirname(path), { recursive: true });
  const header: Record<string, unknown> = { __metadata__: metadata };
  let end = 0;
  for (const [name, { sizeBytes }] of Object.entries(tensors)) {
    header[name] = { dtype: "U8", shape: [sizeBytes], data_offsets: [end, end + sizeBytes] };
    end += sizeBytes;
  }
  const json = JSON.stringify(header);
  const text = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8, " "));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = openSync(path, "w");
  try {
    writeSync(file, length);
    writeSync(file, text);
    for (const { sizeBytes, seed } of Object.values(tensors)) for (const bytes of seededBytes(seed, sizeBytes)) writeSync(file, bytes);
  } finally {
    closeSync(file);
  }
}

export async function fileSha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const bytes of createReadStream(path, { highWaterMark: MiB })) hash.update(bytes as Buffer);
  return hash.digest("hex");
}
