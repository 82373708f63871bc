/** The file that holds a Cloudflare deployment's settings: written once with what can be made, filled in by a person, never committed. */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseEnv } from "node:util";
import * as z from "zod";
import { StoreId } from "../../shared/names.ts";
import { isToken, makeToken } from "../../shared/token.ts";
import { StackProblem } from "../stack/problem.ts";

const EMPTY = "change-me";

export type DeployStore = { id: StoreId; provider: string; bucket: string };
/** `vars`: everything of the file, as the Worker is told it. */
export type DeploySettings = { vars: Record<string, string>; stores: DeployStore[]; token: string };

/** What this command must know of STORES; the Worker checks the rest. */
const Stores = z.array(z.looseObject({ id: StoreId, provider: z.string().default("s3"), bucket: z.string() })).min(1);

/** Writes the file with fresh secrets, readable by its owner alone. False: it was there, and was left as it is. */
export function createSettings(file: string): boolean {
  if (existsSync(file)) return false;
  writeFileSync(file, template(), { mode: 0o600, flag: "wx" });
  return true;
}

/** Throws StackProblem naming what is missing or not filled in. */
export function readSettings(file: string): DeploySettings {
  const given = parseEnv(readFileSync(file, "utf8"));
  const vars = Object.fromEntries(Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
  const empty = Object.keys(vars).filter((name) => vars[name] === "" || vars[name]?.includes(EMPTY));
  if (empty.length > 0) throw new StackProblem(`${file}: fill in ${empty.join(", ")}, then run the same command again.`);
  const stores = storesOf(vars["STORES"] ?? "");
  if (stores === null) throw new StackProblem(`${file}: STORES must be a list in JSON, each with an id, a provider and a bucket.`);
  const keys = stores.flatMap(({ id }) => ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY"].map((key) => `${variable(id)}_${key}`));
  const wanted = [...keys, "UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN", "FERRY_SECRET", "BOOTSTRAP_TOKEN"];
  const missing = wanted.filter((name) => vars[name] === undefined);
  if (missing.length > 0) throw new StackProblem(`${file}: ${missing.join(", ")}: missing.`);
  const token = vars["BOOTSTRAP_TOKEN"] ?? "";
  if (!isToken(token)) throw new StackProblem(`${file}: BOOTSTRAP_TOKEN is no token; npm run token makes one.`);
  return { vars, stores, token };
}

function storesOf(text: string): DeployStore[] | null {
  try {
    return Stores.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

function variable(id: StoreId): string {
  return `STORE_${id.toUpperCase().replaceAll("-", "_")}`;
}

function template(): string {
  return `# Settings of a modelferry deployment on Cloudflare. They go to the Worker as secrets; this file stays with you.

# Where the bytes are; the first store is home. <account id> stands in the dashboard, keys are made under R2 > Manage API tokens
# (object read and write, and for the first deployment: admin). Any other store that speaks S3 will do: docs/deploy-cloudflare.md.
STORES=[{"id":"home","provider":"r2","endpoint":"https://${EMPTY}.r2.cloudflarestorage.com","region":"auto","bucket":"modelferry"}]
STORE_HOME_ACCESS_KEY_ID=${EMPTY}
STORE_HOME_SECRET_ACCESS_KEY=${EMPTY}

# A Redis database at Upstash, eviction off. It is an index: losing it loses nothing.
UPSTASH_REDIS_REST_URL=https://${EMPTY}.upstash.io
UPSTASH_REDIS_REST_TOKEN=${EMPTY}

# Made for you. Every deployment on the same buckets has the same FERRY_SECRET.
FERRY_SECRET=${randomBytes(32).toString("base64url")}
# The first administrator.
BOOTSTRAP_TOKEN=${makeToken(randomBytes(32))}
`;
}
