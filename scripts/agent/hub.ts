/**
 * The Hub's door of the agent: clients of the Hub on this machine read by it what their own tokens let them read, out of the cache. Rights,
 * names and manifests are the registry's; when it can't be reached, what a token was told within the last hour stays good for it.
 */
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { readingDoor } from "../../functions/doors/huggingface/reading-door.ts";
import type { AgentDoor, DoorContext, OpenedDoor } from "./doors.ts";

/** `anonymous`: the token that stands for callers without one, or null. */
export type HubSettings = { anonymous: string | null; xet: boolean };

export function hubDoor(listen: AgentDoor["listen"], settings: HubSettings): AgentDoor {
  return { name: "hub", listen, open: (context) => open(context, settings) };
}

async function open({ catalogOf, isOurs }: DoorContext, { anonymous }: HubSettings): Promise<OpenedDoor> {
  const answer = readingDoor({ open: (token) => catalogOf(token).meet(), anonymous });
  const listener = getRequestListener(answer, { overrideGlobalObjects: false });
  let active = 0;
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    if (!isOurs(request)) return void response.writeHead(421).end("this agent has another name\n");
    active++;
    response.once("close", () => active--);
    void listener(request, response);
  });
  return { server, active: () => active };
}
