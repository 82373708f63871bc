/** The Hub's door of a registry: what its clients read and write, at the root of the app. */
import type { Hono } from "hono";
import type { Edge } from "../../http/edge.ts";
import { registryGate } from "../gate.ts";
import { RegistryWorkshop } from "../registry-workshop.ts";
import { finishByTicket } from "../upload-ticket.ts";
import { asFerryError, hubProblem } from "./errors.ts";
import { mountHubRead } from "./read.ts";
import { patiently } from "./upload.ts";
import { mountHubWrite } from "./write.ts";

export function mountHub(app: Hono<Edge>): void {
  const gate = registryGate((services, caller, c) => new RegistryWorkshop(services, caller, c));
  mountHubRead(app, gate);
  mountHubWrite(app, gate);
  // Clients send no token here: the ticket in the URL says whose file it is.
  app.post("/:namespace/:name/info/lfs/complete", async (c) => {
    try {
      return await patiently(finishByTicket(c.get("services").ports, c.req.query("ticket") ?? ""));
    } catch (error) {
      return hubProblem(asFerryError(error), c.req.method);
    }
  });
}
