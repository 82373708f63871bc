/** A request id on everything, safe headers on every answer, one line for each request. */
import { createMiddleware } from "hono/factory";
import { toHex } from "../../shared/digest.ts";
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
  await next();
  const { headers } = c.res;
  headers.set("x-request-id", requestId);
  headers.set("x-content-type-options", "nosniff");
  headers.set("referrer-policy", "no-referrer");
  tellBudgets(headers, c.get("budgets") ?? []);
  if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
  const ms = services.ports.clock.now() - startedAtMs;
  headers.append("server-timing", `total;dur=${ms}`);
  measureRequest(c, c.req.routePath, ms);
  services.log({
    event: "request",
    requestId,
    method: c.req.method,
    // The matched pattern, never the path: upload names and refs stay out of logs.
    route: c.req.routePath,
    status: c.res.status,
    ms,
    caller: c.get("caller")?.tokenId ?? null,
  });
});
