import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { chunkTickets, heartbeat, listAgents } from "../registry/warm/agents.ts";
import { warmMap } from "../registry/warm/map.ts";
import { cancelWarmup, listWarmups, readWarmup, startWarmup, warmthOf } from "../registry/warm/warmups.ts";

export function mountAgents(app: Hono<Edge>): void {
  mount(app, "listAgents", ({ ports, query }) => listAgents(ports, query.group));
  mount(app, "warmMap", ({ ports, query }) => warmMap(ports, query.group));
  mount(app, "heartbeat", ({ ports, body }) => heartbeat(ports, body));
  mount(app, "chunkTickets", ({ ports, repository, params, body }) => chunkTickets(ports, repository, params.ref, body));
  mount(app, "warmth", ({ ports, repository, query }) => warmthOf(ports, repository, query));
  mount(app, "listWarmups", ({ ports, repository }) => listWarmups(ports, repository));
  mount(app, "startWarmup", ({ ports, caller, repository, body }) => startWarmup(ports, caller, repository, body));
  mount(app, "readWarmup", ({ ports, repository, params }) => readWarmup(ports, repository, params.warmup));
  mount(app, "cancelWarmup", async ({ ports, repository, params }) => {
    await cancelWarmup(ports, repository, params.warmup);
    return null;
  });
}
