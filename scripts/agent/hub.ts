/**
 * The Hub's door of the agent: clients of the Hub on this machine read by it what their own tokens let them read, out of the cache. Rights,
 * names and manifests are the registry's; when it can't be reached, what a token was told within the last hour stays good for it.
 */
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import type { Catalog } from "../../functions/doors/catalog.ts";
import { directly } from "../../functions/doors/directly.ts";
import { readingDoor, tokenOf } from "../../functions/doors/huggingface/reading-door.ts";
import type { ReadTickets } from "../../functions/doors/huggingface/xet.ts";
import type { AgentDoor, DoorContext, OpenedDoor } from "./doors.ts";
import { TicketBox } from "./read-tickets.ts";

/** `anonymous`: the token that stands for callers without one, or null. */
export type HubSettings = { anonymous: string | null; xet: boolean };

export function hubDoor(listen: AgentDoor["listen"], settings: HubSettings): AgentDoor {
  return { name: "hub", listen, open: (context) => open(context, settings) };
}

async function open({ catalogOf, isOurs }: DoorContext, { anonymous, xet }: HubSettings): Promise<OpenedDoor> {
  const meet = (token: string) => catalogOf(token).meet();
  const answer = readingDoor({ open: meet, anonymous, tickets: ticketsOf(meet, anonymous), xet });
  const counts: Counts = { resolve: NOTHING, xet: NOTHING, other: NOTHING };
  const listener = getRequestListener(directly(counted(answer, counts)), { overrideGlobalObjects: false });
  let active = 0;
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    // A name with its last dot is the same name.
    if (request.headers.host !== undefined) request.headers.host = request.headers.host.replace(/\.(?=:|$)/, "");
    if (!isOurs(request)) return void response.writeHead(421).end("this agent has another name\n");
    active++;
    response.once("close", () => active--);
    void listener(request, response);
  });
  return { server, active: () => active, metrics: () => metricsOf(counts) };
}

function ticketsOf(meet: (token: string) => Promise<Catalog>, anonymous: string | null): ReadTickets {
  const box = new TicketBox(Date.now);
  return {
    seal: async (c, spot) => box.seal(tokenOf(c, anonymous), spot),
    async open(_, ticket) {
      const { token, ...spot } = box.open(ticket);
      return { ...spot, catalog: await meet(token) };
    },
  };
}

type Kind = "resolve" | "xet" | "other";
/** `bytes`: of the answers that were begun. */
type Counts = Record<Kind, { requests: number; bytes: number }>;
type Answer = (request: Request, env?: unknown) => Response | Promise<Response>;

const NOTHING = { requests: 0, bytes: 0 };

function counted(answer: Answer, counts: Counts): Answer {
  return async (request, env) => {
    const { pathname } = new URL(request.url);
    const kind = pathname.startsWith("/xet/") ? "xet" : /^\/[^/]+\/[^/]+\/resolve\//.test(pathname) ? "resolve" : "other";
    const answered = await answer(request, env);
    const bytes = request.method === "HEAD" ? 0 : Number(answered.headers.get("content-length") ?? 0);
    counts[kind] = { requests: counts[kind].requests + 1, bytes: counts[kind].bytes + bytes };
    return answered;
  };
}

function metricsOf(counts: Counts): string {
  const kinds: Kind[] = ["resolve", "xet", "other"];
  const lines = (name: "requests" | "bytes") =>
    kinds.map((kind) => `ferry_hub_${name}_total{kind="${kind}"} ${counts[kind][name]}\n`).join("");
  return `# TYPE ferry_hub_requests_total counter\n${lines("requests")}# TYPE ferry_hub_bytes_total counter\n${lines("bytes")}`;
}
