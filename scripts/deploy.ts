/**
 * `npm run deploy`: modelferry on Cloudflare, from a file of settings. Makes the file when there is none, creates the R2 buckets that are
 * missing, uploads the Worker with its settings, applies each store's rules and tries what it enforces. Safe to repeat; `--dry-run` changes nothing.
 */
import { parseArgs } from "node:util";
import { FerryClient } from "../shared/client.ts";
import { problemOf } from "../shared/errors.ts";
import { createSettings, type DeploySettings, readSettings } from "./deploy/settings.ts";
import { Wrangler } from "./deploy/wrangler.ts";
import { StackProblem } from "./stack/problem.ts";

const USAGE = "npm run deploy -- [--file cloudflare.env] [--name modelferry] [--url https://…] [--dry-run]";
const OPTIONS = {
  file: { type: "string", default: "cloudflare.env" },
  name: { type: "string", default: "modelferry" },
  /** Where the Worker answers, when that is not workers.dev. */
  url: { type: "string" },
  "dry-run": { type: "boolean", default: false },
} as const;

const ANSWERS_ATTEMPTS = 30;
const ANSWERS_PAUSE_MS = 2_000;

type Asked = { file: string; name: string; url?: string | undefined; "dry-run": boolean };

async function main(): Promise<void> {
  const asked = askedFor();
  if (createSettings(asked.file)) {
    console.log(`${asked.file} was written, with fresh secrets. Fill in the lines that say change-me, then run the same command again.`);
    process.exitCode = 2;
    return;
  }
  const settings = readSettings(asked.file);
  const wrangler = new Wrangler(process.env);
  const loggedIn = await wrangler.isLoggedIn();
  if (asked["dry-run"]) return plan(wrangler, settings, asked, loggedIn);
  if (!loggedIn) throw new StackProblem("Nobody is logged in at Cloudflare: run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN.");
  for (const bucket of await missingBuckets(wrangler, settings)) {
    await wrangler.createBucket(bucket);
    console.log(`Bucket ${bucket} was created.`);
  }
  const address = await wrangler.deploy(asked.name, settings.vars);
  const url = asked.url ?? address;
  if (url === null) throw new StackProblem("The Worker is up, at no address of workers.dev: give its own with --url to finish.");
  await prepareStores(url, settings);
  console.log(
    `\nmodelferry is up:\n  export FERRY_ENDPOINT=${url}\n  export FERRY_TOKEN=<BOOTSTRAP_TOKEN of ${asked.file}>\n  npx ferry doctor`,
  );
}

function askedFor(): Asked {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch {
    throw new StackProblem(`Usage: ${USAGE}`);
  }
}

async function plan(wrangler: Wrangler, settings: DeploySettings, { name, file }: Asked, loggedIn: boolean): Promise<void> {
  const size = await wrangler.build();
  console.log(`Would upload the Worker ${name}, ${size} gzip, with ${Object.keys(settings.vars).length} settings of ${file}.`);
  if (!loggedIn) {
    console.log("Nobody is logged in at Cloudflare, so which buckets are there is not known.");
    return;
  }
  const missing = await missingBuckets(wrangler, settings);
  console.log(
    missing.length === 0
      ? "Every bucket is there."
      : `Would create the ${missing.length > 1 ? "buckets" : "bucket"} ${missing.join(", ")}.`,
  );
}

async function missingBuckets(wrangler: Wrangler, { stores }: DeploySettings): Promise<string[]> {
  const wanted = stores.filter(({ provider }) => provider === "r2").map(({ bucket }) => bucket);
  if (wanted.length === 0) return [];
  const there = new Set(await wrangler.buckets());
  return [...new Set(wanted)].filter((bucket) => !there.has(bucket));
}

/** Rules first: a browser needs CORS. Uploads need the probe's proof. */
async function prepareStores(url: string, { stores, token }: DeploySettings): Promise<void> {
  const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
  const client = new FerryClient({
    endpoint: url,
    token,
    fetch: (...input) => fetch(...input),
    sleep,
    random: Math.random,
    timeoutMs: 60_000,
  });
  await answering(client, url, sleep);
  for (const { id } of stores) {
    try {
      await client.call("setupStore", { params: { store: id } });
    } catch (error) {
      console.log(`Store ${id} took no rules: ${problemOf(error)}`);
    }
    const { modes } = await client.call("probeStore", { params: { store: id } });
    console.log(
      `Store ${id}: ${modes[0] === undefined ? "it proves nothing, so no uploads go there directly" : `tickets by ${modes[0]}`}.`,
    );
  }
}

/** A new address takes a while to be known. */
async function answering(client: FerryClient, url: string, sleep: (ms: number) => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await client.call("whoAmI", {});
      return;
    } catch (error) {
      if (attempt === ANSWERS_ATTEMPTS) throw new StackProblem(`${url} does not answer as it should: ${problemOf(error)}`);
      await sleep(ANSWERS_PAUSE_MS);
    }
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof StackProblem ? error.message : error);
  process.exit(1);
});
