import type { Hono } from "hono";
import { openApi } from "../../shared/contract/openapi.ts";
import { isoTime } from "../../shared/time.ts";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";

export function mountAbout(app: Hono<Edge>): void {
  mount(app, "health", async () => ({ ok: true }));
  mount(app, "about", async ({ ports, services }) => ({
    name: "modelferry",
    api: 1,
    version: services.version,
    time: isoTime(ports.clock.now()),
  }));
  app.get("/openapi.json", (c) => c.json(openApi(c.get("services").version)));
}
