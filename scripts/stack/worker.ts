/** The Worker of wrangler.toml in workerd, bundled by wrangler just as it is for a deployment, in a process of its own. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as z from "zod";
import { type Child, startModule } from "./child.ts";

export type WorkerOptions = {
  /** Its log lives in `home`/logs. */
  home: string;
  /** Vars and secrets; in workerd they are the same. */
  vars: Record<string, string>;
  /** Left out or 0: any free port. */
  port?: number;
  /** Left out: wrangler.toml of this repository. */
  configFile?: string;
  /** Folders whose changes make a new bundle, which takes the old one's place. */
  watch?: readonly string[];
  /** Whether wrangler.toml's cron triggers fire, each once a minute. By hand: POST /cdn-cgi/local/scheduled?cron=… */
  cron?: boolean;
  /** Where debuggers of its isolates may connect; left out: nowhere. */
  inspectorPort?: number;
};

export type Worker = { url: string; port: number; child: Child; stop(): Promise<void> };

/** Throws StackProblem, with wrangler's words when the bundle can't be made. */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { child, started } = await startModule({
    name: "the Worker",
    file: fileURLToPath(new URL("worker-process.ts", import.meta.url)),
    logFile: join(options.home, "logs", "worker.log"),
    settings: {
      configFile: options.configFile ?? fileURLToPath(new URL("../../wrangler.toml", import.meta.url)),
      port: options.port ?? 0,
      vars: options.vars,
      watch: options.watch ?? [],
      cron: options.cron ?? false,
      inspectorPort: options.inspectorPort,
    },
    answer: z.object({ url: z.string(), port: z.number() }),
  });
  return { ...started, child, stop: () => child.stop() };
}
