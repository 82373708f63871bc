/**
 * A request id on everything, safe headers on every answer, one line for each request. The line and `Server-Timing` tell how long a request
 * took, and of that how long at least one answer of a store, or of the index, was waited for.
 */
import { createMiddleware } from "hono/factory";
import { toHex } from "../../shared/digest.ts";
import type { Spent } from "../registry/traffic.ts";
import type { Edge } from "./edge.ts";
import { measureRequest } from "./measure.ts";
import { tellBudgets } from "./spend.ts";

const REQUEST_ID = /^[A-Za-z0-9_-]{8,64}(?![\s\S])/;

export const observe = createMiddleware<Edge>(async (c, next) => {
  const services = c.get("services");
  const given = c.req.header("x-request-id");
  const requestId = given !== undefined && REQUEST_ID.test(given) ? given : toHex(services.ports.random.bytes(8));
  c.set("requestId", requestId);
  const startedAtMs = services.ports.clock.now();
  const spent = await services.traffic.during(async () => {
    await next();
    return services.traffic.spentNow();
  });
  const { headers } = c.res;
  headers.set("x-request-id", requestId);
  headers.set("x-content-type-options", "nosniff");
  headers.set("referrer-policy", "no-referrer");
  tellBudgets(headers, c.get("budgets") ?? []);
  if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
  const ms = services.ports.clock.now() - startedAtMs;
  headers.append("server-timing", timingText(ms, spent));
  measureRequest(c, c.req.routePath, ms);
  services.log({
    event: "request",
    requestId,
    method: c.req.method,
    // The matched pattern, never the path: upload names and refs stay out of logs.
    route: c.req.routePath,
    status: c.res.status,
    ms,
    storeRequests: spent?.store.count ?? null,
    storeMs: spent?.store.ms ?? null,
    indexCommands: spent?.index.count ?? null,
    indexMs: spent?.index.ms ?? null,
    indexBytes: spent?.index.bytes ?? null,
    caller: c.get("caller")?.tokenId ?? null,
  });
});

function timingText(ms: number, spent: Spent | null): string {
  if (spent === null) return `total;dur=${ms}`;
  const { store, index } = spent;
  return `total;dur=${ms}, store;dur=${store.ms};desc="${store.count} requests", index;dur=${index.ms};desc="${index.count} commands"`;
}
