/** How many requests a second the registry answers, on workerd and on Node, from 64 callers at once. Its callers share the machine with it. */
import { randomBytes } from "node:crypto";
import { Agent, request } from "undici";
import * as z from "zod";
import type { RevisionId } from "../../../shared/names.ts";
import type { Lab } from "../lab.ts";
import { runLoad } from "../load.ts";
import { treeCpuS } from "../measure/proc.ts";
import { newOperation, type Registry } from "../registry.ts";
import type { ScenarioReport, Table } from "../report.ts";
import type { Scenario } from "../scenario.ts";
import { BRANCH, pushFirst, type SmallFile, smallFile } from "../small-push.ts";

const LANES = 64;
const WARM_UP_MS = 1500;
const RUN_MS = 5000;
const PAGE = 500;
const CHUNK_BYTES = 1024 * 1024;
const RUNTIMES = ["node", "workerd"] as const;

export const server: Scenario = {
  name: "server",
  summary: "resolve, reserve(500) and commit a second, from 64 callers, on Node and workerd",
  async run(lab) {
    const tables: Table[] = [];
    for (const runtime of RUNTIMES) tables.push(await measure(lab, runtime));
    const report: ScenarioReport = {
      name: "server",
      conditions: [`${LANES} callers`, `${RUN_MS / 1000} s each`, "callers, Redis and store on the same machine"],
      tables,
      targets: [],
      skipped: [],
      notes: ["workerd reaches Redis by the local REST bridge, whose CPU is not in the column."],
    };
    return report;
  },
};

/** A caller's own repository, so that commits do not wait for one another. */
type Lane = { path: string; upload: string; parent: RevisionId; file: SmallFile };

async function measure(lab: Lab, runtime: (typeof RUNTIMES)[number]): Promise<Table> {
  const store = await lab.store("http");
  const registry = await lab.registry(store, { runtime });
  const lanes: Lane[] = [];
  for (let at = 0; at < LANES; at++) lanes.push(await makeLane(registry, at));
  const agent = new Agent({ connections: LANES });
  const ask = asker(registry, agent);
  const acts: Record<string, (lane: Lane) => Promise<void>> = {
    resolve: async ({ path }) => void (await ask("GET", `${path}/revisions/${BRANCH}`)),
    "reserve(500)": async ({ path, upload }) =>
      void (await ask("POST", `${path}/uploads/${upload}/reserve`, { attempt: 1, chunks: newChunks() })),
    "open and commit": (lane) => openAndCommit(ask, lane),
  };
  const rows: Table["rows"] = [];
  for (const [name, act] of Object.entries(acts))
    rows.push({ name, cells: await measureAct(lab, registry, name, (at) => onLane(lanes, at, act)) });
  await agent.close();
  return { title: `on ${runtime}`, columns: ["a second", "p50 ms", "p99 ms", "app CPU ms each"], rows };
}

async function measureAct(
  lab: Lab,
  registry: Registry,
  name: string,
  call: (lane: number) => Promise<void>,
): Promise<Table["rows"][number]["cells"]> {
  let cpuS = 0;
  const onWarm = () => {
    cpuS = treeCpuS(registry.appPid);
  };
  const load = await runLoad(call, { lanes: LANES, warmUpMs: WARM_UP_MS, runMs: RUN_MS, onWarm });
  const cpuMs = ((treeCpuS(registry.appPid) - cpuS) * 1000) / Math.max(1, load.calls);
  lab.note(`${name}: ${load.perSecond.toFixed(0)} a second`);
  return [load.perSecond, load.p50Ms, load.p99Ms, cpuMs];
}

async function makeLane({ admin, makeRepository }: Registry, at: number): Promise<Lane> {
  const { repository } = await makeRepository(`lane-${at}`);
  const file = smallFile("file.txt");
  const { revision } = await pushFirst(admin, repository, file);
  const { upload } = await admin.call("openUpload", { repository, body: { branch: BRANCH, operationId: newOperation() } });
  return { path: `/api/v1/repositories/${repository}`, upload: encodeURIComponent(upload), parent: revision, file };
}

async function onLane(lanes: readonly Lane[], at: number, act: (lane: Lane) => Promise<void>): Promise<void> {
  const lane = lanes[at];
  if (lane !== undefined) await act(lane);
}

const Opened = z.object({ upload: z.string() });
const Committed = z.object({ revision: z.custom<RevisionId>((value) => typeof value === "string") });

async function openAndCommit(ask: Ask, lane: Lane): Promise<void> {
  const { path, parent, file } = lane;
  const { upload } = Opened.parse(JSON.parse(await ask("POST", `${path}/uploads`, { branch: BRANCH, operationId: newOperation() })));
  const body = { operationId: newOperation(), parent, files: [file.entry] };
  lane.parent = Committed.parse(JSON.parse(await ask("POST", `${path}/uploads/${encodeURIComponent(upload)}/commit`, body))).revision;
}

type Ask = (method: "GET" | "POST", path: string, body?: unknown) => Promise<string>;

function asker({ endpoint, token }: Registry, dispatcher: Agent): Ask {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  return async (method, path, body) => {
    const answer = await request(endpoint + path, {
      method,
      headers,
      dispatcher,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300)
      throw new Error(`${method} ${path.slice(0, 80)} was answered with ${answer.statusCode}: ${text.slice(0, 300)}`);
    return text;
  };
}

/** Digests that nobody asked for before. */
function newChunks(): { sha256: string; size: number }[] {
  const bytes = randomBytes(PAGE * 32);
  return Array.from({ length: PAGE }, (_, at) => ({ sha256: bytes.toString("hex", at * 32, (at + 1) * 32), size: CHUNK_BYTES }));
}
