/**
 * What a replication case does as a process of its own. `ask`: tags the model for the store that the app fills, and waits until it is whole
 * there. `proxy`: carries objects from URL to URL as plainly as can be, a few at once: what any streaming through this runtime costs.
 * Argument: a file of JSON.
 */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import * as z from "zod";
import { FerryClient } from "../../shared/client.ts";
import { RepositoryName } from "../../shared/names.ts";
import { newOperation } from "./registry.ts";

const Work = z.discriminatedUnion("way", [
  z.object({
    way: z.literal("ask"),
    endpoint: z.string(),
    token: z.string(),
    repository: RepositoryName,
    tag: z.string(),
    store: z.string(),
  }),
  z.object({
    way: z.literal("proxy"),
    connections: z.int(),
    objects: z.array(z.object({ from: z.string(), to: z.string(), sizeBytes: z.int() })),
  }),
]);
export type Work = z.input<typeof Work>;

const POLL_MS = 100;
/** Longer than what a tag has woken goes on. */
const WOKEN_MS = 15_000;

async function ask({ endpoint, token, repository, tag, store }: Extract<z.infer<typeof Work>, { way: "ask" }>): Promise<void> {
  const client = new FerryClient({ endpoint, token, fetch, sleep: async (ms) => void (await delay(ms)), random: Math.random });
  await client.call("setTag", { repository, params: { tag }, body: { ref: "main", force: true, operationId: newOperation() } });
  const askedMs = performance.now();
  for (;;) {
    const { replicas } = await client.call("syncStatus", { query: { repository } });
    if (replicas.some(({ stores }) => stores.some((one) => String(one.store) === store && one.state === "ready"))) return;
    if (performance.now() - askedMs > WOKEN_MS) await client.call("stepSync", {});
    await delay(POLL_MS);
  }
}

async function carry(work: Extract<z.infer<typeof Work>, { way: "proxy" }>): Promise<void> {
  const left = work.objects.values();
  const lane = async () => {
    for (const { from, to, sizeBytes } of left) {
      const source = await fetch(from);
      const headers = { "content-length": String(sizeBytes) };
      const answer = await fetch(to, { method: "PUT", headers, body: source.body, duplex: "half" });
      if (!source.ok || !answer.ok) throw new Error(`answered with ${source.status} and ${answer.status}`);
      await answer.arrayBuffer();
    }
  };
  await Promise.all(Array.from({ length: work.connections }, lane));
}

if (import.meta.main) {
  const work = Work.parse(JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")));
  await (work.way === "ask" ? ask(work) : carry(work));
}
