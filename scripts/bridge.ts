/**
 * `npm run bridge`: the REST bridge before a Redis of your own, so that a Worker can reach it. Everything by environment:
 *
 *   REDIS_URL                  redis://[user:password@]host:port[/database], or rediss://
 *   UPSTASH_REDIS_REST_TOKEN   what callers must show; 32 characters at least
 *   HOST, PORT                 where to listen; default 127.0.0.1:8079. Put TLS before it: the token travels with every call.
 */
import * as z from "zod";
import { startBridge } from "./stack/bridge.ts";

const Settings = z.object({
  REDIS_URL: z.url({ protocol: /^rediss?$/ }),
  UPSTASH_REDIS_REST_TOKEN: z.string().min(32),
  HOST: z.string().min(1).default("127.0.0.1"),
  PORT: z.coerce.number().int().min(0).max(65_535).default(8079),
});

const settings = Settings.safeParse(process.env);
if (!settings.success) {
  // Names only: a value may be a secret.
  for (const { path, message } of settings.error.issues) console.error(`${path.join(".")}: ${message}`);
  process.exit(1);
}
const { REDIS_URL: redisUrl, UPSTASH_REDIS_REST_TOKEN: token, HOST: host, PORT: port } = settings.data;
const bridge = await startBridge({ redisUrl, token, host, port });
console.log(`The REST bridge answers at ${bridge.url}`);
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, async () => {
    await bridge.stop();
    process.exit(0);
  });
}
