import type { Hono } from "hono";
import { readText } from "../http/body.ts";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { listDeliveries, replayDelivery, testWebhook } from "../registry/hooks/bell.ts";
import { receiveHook } from "../registry/hooks/receive.ts";
import { listSources, removeSource, setSource } from "../registry/hooks/sources.ts";
import { createWebhook, listWebhooks, readWebhook, removeWebhook, rotateWebhook } from "../registry/hooks/webhooks.ts";

/** Senders tell all they know of a push. */
const INCOMING_BYTES_MAX = 1_048_576;

export function mountHooks(app: Hono<Edge>): void {
  mount(app, "listWebhooks", async ({ ports }) => ({ webhooks: await listWebhooks(ports) }));
  mount(app, "createWebhook", ({ ports, caller, body }) => createWebhook(ports, caller, body));
  mount(app, "readWebhook", ({ ports, params }) => readWebhook(ports, params.webhook));
  mount(app, "removeWebhook", async ({ ports, caller, params, query }) => {
    await removeWebhook(ports, caller, params.webhook, query.operationId);
    return null;
  });
  mount(app, "rotateWebhook", ({ ports, caller, params, body }) => rotateWebhook(ports, caller, params.webhook, body));
  mount(app, "testWebhook", ({ ports, params }) => testWebhook(ports, params.webhook));
  mount(app, "listDeliveries", async ({ ports, params, query }) => ({ deliveries: await listDeliveries(ports, params.webhook, query) }));
  mount(app, "replayDelivery", ({ ports, params }) => replayDelivery(ports, params.webhook, params.delivery));
  mountSources(app);
}

function mountSources(app: Hono<Edge>): void {
  mount(app, "listHookSources", async ({ ports }) => ({ sources: await listSources(ports) }));
  mount(app, "setHookSource", ({ ports, caller, body }) => setSource(ports, caller, body));
  mount(app, "removeHookSource", async ({ ports, caller, params, query }) => {
    await removeSource(ports, caller, params.source, query.operationId);
    return null;
  });
  mount(app, "receiveWebhook", ({ ports, services, address, params, request }) =>
    receiveHook(ports, { source: params.webhook, address, failures: services.failures }, async () => ({
      headers: request.headers,
      body: request.body === null ? "" : await readText(request.body, request.headers.get("content-length"), INCOMING_BYTES_MAX),
    })),
  );
}
