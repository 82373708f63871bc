import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { grantUser, listGrants, revokeGrant } from "../registry/people.ts";

export function mountPeople(app: Hono<Edge>): void {
  mount(app, "listUserGrants", async ({ ports }) => ({ grants: await listGrants(ports) }));
  mount(app, "grantUser", ({ ports, caller, body }) => grantUser(ports, caller, body));
  mount(app, "revokeUserGrant", async ({ ports, caller, params, query }) => {
    await revokeGrant(ports, caller, params.id, query.operationId);
    return null;
  });
}
