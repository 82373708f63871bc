/** Started by local-s3.ts: a workerd with one R2 bucket a store, seen through miniflare's S3 endpoint. */
import { CorePaths, Miniflare } from "miniflare";
import * as z from "zod";
import { QUIET } from "./miniflare-settings.ts";
import { serveParent } from "./serve-parent.ts";
import { StoreKeys } from "./stores.ts";

const Settings = z.object({ folder: z.string(), port: z.number(), buckets: z.record(z.string(), StoreKeys) });

/** Only the S3 endpoint is asked; the Worker beside it has nothing to say. */
const NOTHING = "export default { fetch: () => new Response(null, { status: 404 }) };";

serveParent(Settings, async ({ folder, port, buckets }) => {
  const miniflare = new Miniflare({
    ...QUIET,
    port,
    resourcePersistencePath: folder,
    workers: [
      {
        config: {
          name: "stores",
          compatibilityDate: "2026-01-01",
          manifest: { mainModule: "nothing.js", modules: { "nothing.js": { type: "esm", contents: NOTHING } } },
          env: Object.fromEntries(
            Object.entries(buckets).map(([name, keys]) => [name, { type: "r2" as const, name, dev: { experimentalS3Credentials: keys } }]),
          ),
        },
      },
    ],
  });
  const url = await miniflare.ready;
  return { started: { endpoint: new URL(CorePaths.R2_S3, url).href, port: Number(url.port) }, stop: () => miniflare.dispose() };
});
