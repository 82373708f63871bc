import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { describeStores } from "../registry/stores.ts";

export function mountStores(app: Hono<Edge>): void {
  mount(app, "listStores", async ({ ports, caller }) => ({ stores: await describeStores(ports, caller) }));
  mount(app, "probeStore", ({ ports, params }) => ports.stores.get(params.store).probe());
  mount(app, "setupStore", ({ ports, params }) => ports.stores.get(params.store).setup());
}
