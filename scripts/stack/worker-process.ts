/** Started by worker.ts: bundles, runs the bundle in one workerd with the console's files beside it, and bundles again when the source changes. */
import { watch } from "node:fs";
import { Miniflare, type MiniflareOptions } from "miniflare";
import * as z from "zod";
import { CONSOLE_FOLDER, ensureConsole } from "./console-files.ts";
import { QUIET } from "./miniflare-settings.ts";
import { serveParent } from "./serve-parent.ts";
import { type Bundle, bundleWorker, isBinary } from "./worker-bundle.ts";

const Settings = z.object({
  configFile: z.string(),
  port: z.number(),
  vars: z.record(z.string(), z.string()),
  watch: z.array(z.string()),
  cron: z.boolean(),
  inspectorPort: z.number().optional(),
});
type Settings = z.infer<typeof Settings>;

const CRON_INTERVAL_MS = 60_000;
/** Editors save in several steps. */
const SETTLE_MS = 150;

serveParent(Settings, async (settings) => {
  const [bundle] = await Promise.all([bundleWorker(settings.configFile), ensureConsole()]);
  const miniflare = new Miniflare(optionsOf(bundle, settings));
  const url = await miniflare.ready;
  // A restart after a change must keep the port that everybody knows.
  const port = Number(url.port);
  rebundleOnChange(miniflare, { ...settings, port });
  if (settings.cron) ringCron(miniflare, bundle.settings.crons);
  return { started: { url: url.origin, port }, stop: () => miniflare.dispose() };
});

function optionsOf({ settings, mainModule, modules }: Bundle, { port, vars, inspectorPort }: Settings): MiniflareOptions {
  return {
    ...QUIET,
    port,
    ...(inspectorPort === undefined ? {} : { inspectorPort }),
    unsafeTriggerHandlers: true,
    handleStructuredLogs: ({ level, message }) => console.log(`${new Date().toISOString()} ${level} ${message}`),
    workers: [
      {
        config: {
          name: settings.name,
          compatibilityDate: settings.compatibilityDate,
          compatibilityFlags: settings.compatibilityFlags,
          assets: { directory: CONSOLE_FOLDER, hasUserWorker: true, htmlHandling: "none", notFoundHandling: "none" },
          manifest: {
            mainModule,
            modules: Object.fromEntries(
              Object.entries(modules).map(([name, { type, contents }]) => [
                name,
                { type, contents: isBinary(type) ? new Uint8Array(Buffer.from(contents, "base64")) : contents },
              ]),
            ),
          },
          env: Object.fromEntries(
            Object.entries({ ...settings.vars, ...vars }).map(([name, value]) => [name, { type: "text" as const, value }]),
          ),
        },
      },
    ],
  };
}

/** A bundle that can't be made or started leaves the old one running; the log says why. */
function rebundleOnChange(miniflare: Miniflare, settings: Settings): void {
  let timer: NodeJS.Timeout | undefined;
  let last = Promise.resolve();
  const rebundle = async () => {
    try {
      await ensureConsole();
      await miniflare.setOptions(optionsOf(await bundleWorker(settings.configFile), settings));
      console.log("the Worker was bundled again");
    } catch (error) {
      console.error("the Worker could not be bundled again; the old one goes on:", error);
    }
  };
  for (const folder of settings.watch) {
    watch(folder, { recursive: true }, () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        last = last.then(rebundle);
      }, SETTLE_MS);
    });
  }
}

/** Cloudflare's clock does not tick here. Patterns are not read: what the crons wake must bear being woken often. */
function ringCron(miniflare: Miniflare, patterns: readonly string[]): void {
  if (patterns.length === 0) return;
  setInterval(async () => {
    const worker = await miniflare.getWorker();
    for (const cron of patterns) await worker.scheduled({ cron }).catch((error: unknown) => console.error(`cron ${cron} failed:`, error));
  }, CRON_INTERVAL_MS);
}
