import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { addKey, addSignature, knownKeys, listSignatures, revokeKey } from "../registry/signatures.ts";

export function mountSignatures(app: Hono<Edge>): void {
  mount(app, "listKeys", async ({ ports }) => ({ keys: await knownKeys(ports) }));
  mount(app, "addKey", ({ ports, caller, body }) => addKey(ports, caller, body));
  mount(app, "revokeKey", async ({ ports, caller, params, query }) => {
    await revokeKey(ports, caller, params.id, query.operationId);
    return null;
  });
  mount(app, "listSignatures", ({ ports, repository, params }) => listSignatures(ports, repository, params.ref));
  mount(app, "addSignature", ({ ports, caller, repository, params, body }) => addSignature(ports, caller, repository, params.ref, body));
}
