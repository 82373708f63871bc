/** The deployment unit for Cloudflare Workers. */

import { FerryError } from "../shared/errors.ts";
import { createApp } from "./app.ts";
import { type Config, parseConfig } from "./config.ts";
import { connect, realWorld } from "./connect.ts";
import type { Services } from "./http/edge.ts";
import { onMinute } from "./jobs/cron.ts";
import { upstashCommands } from "./metadata/upstash.ts";
import { workerHasher } from "./worker-hasher.ts";

const REDIS_TIMEOUT_MS = 10_000;

/** Built once for each set of settings; isolates are shared, settings are not mixed. */
const built = new Map<string, Services>();

/** Cloudflare sets this header on every request, whatever the client sent. */
const app = createApp(servicesOf, (c) => c.req.header("cf-connecting-ip") ?? null);

export default {
  async fetch(request, env, context) {
    try {
      await prepare(env);
    } catch (error) {
      return configProblem(error);
    }
    return app.fetch(request, env, context);
  },
  async scheduled(_, env) {
    await prepare(env);
    await onMinute(servicesOf(env));
  },
} satisfies ExportedHandler;

function servicesOf(env: unknown): Services {
  const services = built.get(JSON.stringify(env));
  if (services === undefined) throw new FerryError("INTERNAL");
  return services;
}

async function prepare(env: unknown): Promise<void> {
  const key = JSON.stringify(env);
  if (built.has(key)) return;
  const config = parseConfig(env);
  built.set(
    key,
    await connect(
      config,
      commandsOf(config),
      realWorld((line) => console.log(JSON.stringify(line)), workerHasher),
    ),
  );
}

function commandsOf({ redis }: Config): ReturnType<typeof upstashCommands> {
  if (redis.kind === "tcp")
    throw new FerryError("CONFIG_INVALID", { problem: "REDIS_URL: a Worker reaches Redis by UPSTASH_REDIS_REST_URL only" });
  return upstashCommands({ url: redis.url, token: redis.token, timeoutMs: REDIS_TIMEOUT_MS });
}

/** Names the bad settings to whoever looks at the log; the caller hears only that the deployment is not set up. */
function configProblem(error: unknown): Response {
  console.error(JSON.stringify({ event: "config.invalid", problem: error instanceof FerryError ? error.message : "unknown" }));
  const { code, status } = new FerryError("CONFIG_INVALID", { problem: "see the deployment's log" });
  return Response.json(
    { code, status, detail: "the deployment's settings are not valid" },
    { status, headers: { "content-type": "application/problem+json" } },
  );
}
