/** `/metrics` for Prometheus: by the deployment's own token for it, or any that may administer the deployment. */
import type { Hono } from "hono";
import * as z from "zod";
import { FerryError } from "../../shared/errors.ts";
import { isSame } from "../../shared/webhook.ts";
import { authenticated } from "../http/authorize.ts";
import type { Edge, EdgeContext } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { demandDeployment } from "../registry/access.ts";
import { countersOf, metricsText } from "../registry/metrics.ts";

const SCRAPE = { method: "GET", path: "/metrics", summary: "", needs: "token", status: 200, answer: z.string() } as const;

export function mountMetrics(app: Hono<Edge>): void {
  mount(app, "readCounters", async ({ ports, services }) => {
    await services.tally.flush();
    return countersOf(ports);
  });
  app.get(SCRAPE.path, async (c) => {
    if (!(await isScraper(c))) demandDeployment(await authenticated(c, SCRAPE), "admin");
    const { ports, version, tally } = c.get("services");
    await tally.flush();
    return c.body(await metricsText(ports, version), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
  });
}

async function isScraper(c: EdgeContext): Promise<boolean> {
  const { metricsToken } = c.get("services");
  const given = /^bearer (.+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
  if (given === undefined && metricsToken === null) throw new FerryError("TOKEN_MISSING");
  return metricsToken !== null && given !== undefined && (await isSame(metricsToken, given));
}
