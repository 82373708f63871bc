/** The Hub's door of a registry: what its clients read and write, at the root of the app. */
import type { Hono } from "hono";
import type { Edge } from "../../http/edge.ts";
import { registryGate } from "../gate.ts";
import { RegistryCatalog } from "../registry-catalog.ts";
import { mountHubRead } from "./read.ts";

export function mountHub(app: Hono<Edge>): void {
  mountHubRead(
    app,
    registryGate((services, caller, c) => new RegistryCatalog(services, caller, c)),
  );
}
