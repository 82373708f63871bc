/** A process that pulls a revision to several places at once by way of an agent, as the pods of a machine do, and tells how that went. */
import { rmSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import * as z from "zod";
import { findAgent } from "../../scripts/agent/agent-place.ts";
import { AgentShelf } from "../../scripts/agent/shelf.ts";
import { pullFiles } from "../../scripts/node/transfer.ts";
import { FerryClient } from "../../shared/client.ts";
import { RepositoryName } from "../../shared/names.ts";
import { snapshot } from "./trees.ts";

const Order = z.object({
  endpoint: z.string(),
  token: z.string(),
  repository: RepositoryName,
  destinations: z.array(z.string()),
  /** A socket's path, or `http://host:port`; null: without an agent. */
  socketPath: z.string().nullable(),
  cacheDir: z.string(),
  /** Compare every so many-th tree. */
  compareEach: z.int(),
  expected: z.record(z.string(), z.string()),
  include: z.array(z.string()).optional(),
});
export type PullOrder = z.infer<typeof Order>;
/** `given`: chunks that came from the agent. `moved`: bytes from the store. */
export type Pulled = { times: number[]; notes: string[]; given: number; moved: number; wrong: number; peakBytes: number };

export async function pullAll(order: PullOrder): Promise<Pulled> {
  const client = new FerryClient({ ...order, fetch, sleep: (ms) => wait(ms), random: Math.random });
  const pulled: Pulled = { times: [], notes: [], given: 0, moved: 0, wrong: 0, peakBytes: 0 };
  await Promise.all(order.destinations.map((destination, at) => pullOne(order, client, { destination, at }, pulled)));
  return { ...pulled, peakBytes: process.resourceUsage().maxRSS * 1024 };
}

async function pullOne(
  order: PullOrder,
  client: FerryClient,
  { destination, at }: { destination: string; at: number },
  pulled: Pulled,
): Promise<void> {
  const { repository, socketPath, cacheDir } = order;
  const shelf =
    socketPath === null
      ? null
      : new AgentShelf(findAgent({ FERRY_AGENT: socketPath }) ?? { socketPath }, client, (text) => pulled.notes.push(text));
  const startedMs = performance.now();
  const result = await pullFiles(
    { repository, ref: "main", destination, ...(order.include === undefined ? {} : { include: order.include }) },
    { client, onProgress: () => {}, signal: new AbortController().signal },
    {
      cacheDir,
      useStatCache: false,
      threads: 0,
      ...(shelf === null
        ? {}
        : {
            shelf,
            onPlan: ({ revision, files }, of) => {
              shelf.expect(
                { repository: of, revision: revision.revision },
                files.flatMap((file) => file.chunks),
              );
            },
          }),
    },
  );
  pulled.times.push(performance.now() - startedMs);
  pulled.given += shelf?.counts.given ?? 0;
  pulled.moved += result.bytesMoved;
  if (at % order.compareEach === 0 && JSON.stringify(snapshot(destination)) !== JSON.stringify(order.expected)) pulled.wrong++;
  rmSync(destination, { recursive: true });
}

if (import.meta.main) console.log(JSON.stringify(await pullAll(Order.parse(JSON.parse(process.argv[2] ?? "")))));
