import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { cancelCollect, collectStatus, startCollect, stepCollect } from "../registry/collect/run.ts";
import { demandOwnGround } from "../registry/replicate/follow.ts";

export function mountCollect(app: Hono<Edge>): void {
  mount(app, "collectStatus", ({ ports }) => collectStatus(ports));
  mount(app, "startCollect", async ({ ports, body }) => {
    await demandOwnGround(ports);
    return startCollect(ports, body);
  });
  mount(app, "stepCollect", async ({ ports }) => {
    await demandOwnGround(ports);
    return stepCollect(ports);
  });
  mount(app, "cancelCollect", ({ ports, params }) => cancelCollect(ports, params.run));
}
