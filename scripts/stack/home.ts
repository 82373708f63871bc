/**
 * The folder in which a local stack keeps everything, so that deleting it is all there is to a fresh start:
 *
 *   dev.env        FERRY_ENDPOINT and FERRY_TOKEN, for `set -a; . .ferry/dev.env`
 *   secrets.json   made once; the keys under which the data was written
 *   stack.json     the running stack and its processes
 *   redis/ s3/ logs/
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import * as z from "zod";
import { isToken, makeToken } from "../../shared/token.ts";
import { StackProblem } from "./problem.ts";
import { StoreKeys } from "./stores.ts";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

/** Ports of a stack: the app's, and the next three. */
export type Ports = { app: number; stores: number; bridge: number; redis: number };

const DEFAULT_PORT = 8640;

const Secrets = z.object({
  ferrySecret: z.string().min(43),
  restToken: z.string().min(32),
  redisPassword: z.string().min(32),
  stores: z.record(z.string(), StoreKeys),
});
export type Secrets = z.infer<typeof Secrets>;

/** FERRY_DEV_HOME, or `.ferry` in this repository. */
export function homeFolder(env: NodeJS.ProcessEnv): string {
  const home = resolve(env["FERRY_DEV_HOME"] || join(REPOSITORY, ".ferry"));
  mkdirSync(home, { recursive: true, mode: 0o700 });
  return home;
}

/**
 * FERRY_DEV_PORT, else the port that this home had last, else the default. 0 means any free ports, and is answered by null.
 * Throws StackProblem when it is no port.
 */
export function portsOf(env: NodeJS.ProcessEnv, home: string): Ports | null {
  const app = env["FERRY_DEV_PORT"] ? Number(env["FERRY_DEV_PORT"]) : (lastPort(home) ?? DEFAULT_PORT);
  if (app === 0) return null;
  if (!Number.isInteger(app) || app < 1 || app > 65_532)
    throw new StackProblem(`FERRY_DEV_PORT=${env["FERRY_DEV_PORT"]} is no port from 1 to 65532.`);
  return { app, stores: app + 1, bridge: app + 2, redis: app + 3 };
}

/** The secrets of this home, made when it has none. Throws StackProblem when they are damaged: new ones would not open the old data. */
export function secretsOf(home: string, stores: readonly string[]): Secrets {
  const path = join(home, "secrets.json");
  if (existsSync(path)) return readSecrets(path);
  const secrets: Secrets = {
    ferrySecret: randomBytes(32).toString("base64url"),
    restToken: randomBytes(32).toString("base64url"),
    redisPassword: randomBytes(32).toString("base64url"),
    stores: Object.fromEntries(
      stores.map((store) => [store, { accessKeyId: randomBytes(12).toString("hex"), secretAccessKey: randomBytes(32).toString("hex") }]),
    ),
  };
  writePrivately(path, `${JSON.stringify(secrets, null, 2)}\n`);
  return secrets;
}

function readSecrets(path: string): Secrets {
  try {
    return Secrets.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (cause) {
    throw new StackProblem(`${path} is damaged. Restore it, or delete its whole folder to begin anew.`, { cause });
  }
}

/** The administrator's token of this home: the one in dev.env, or a new one. */
export function adminToken(home: string): string {
  const token = readDevEnv(home)["FERRY_TOKEN"];
  return token !== undefined && isToken(token) ? token : makeToken(randomBytes(32));
}

/** Both values are free of characters that mean something to a shell. */
export function writeDevEnv(home: string, endpoint: string, token: string): void {
  writePrivately(devEnvPath(home), `FERRY_ENDPOINT=${endpoint}\nFERRY_TOKEN=${token}\n`);
}

export function devEnvPath(home: string): string {
  return join(home, "dev.env");
}

/** For the current user's eyes only. */
export function writePrivately(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { mode: 0o600 });
}

function lastPort(home: string): number | null {
  const endpoint = readDevEnv(home)["FERRY_ENDPOINT"];
  const port = endpoint !== undefined && URL.canParse(endpoint) ? Number(new URL(endpoint).port) : 0;
  return port > 0 ? port : null;
}

function readDevEnv(home: string): Record<string, string> {
  if (!existsSync(devEnvPath(home))) return {};
  const lines = readFileSync(devEnvPath(home), "utf8").split("\n");
  return Object.fromEntries(
    lines.flatMap((line) => {
      const [, name, value] = /^([A-Z_]+)=(.*)$/.exec(line) ?? [];
      return name !== undefined && value !== undefined ? [[name, value]] : [];
    }),
  );
}
