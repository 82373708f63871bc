import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";

export function mountIdentity(app: Hono<Edge>): void {
  mount(app, "exchangeIdentity", ({ services, body, address }) => services.identity.exchange(body, address));
}
