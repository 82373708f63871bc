import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { createToken, listTokens, revokeToken, rotateToken } from "../registry/tokens.ts";

export function mountTokens(app: Hono<Edge>): void {
  mount(app, "whoAmI", async ({ caller }) => ({
    id: caller.tokenId,
    name: caller.name,
    kind: caller.kind,
    scopes: [...caller.scopes],
    networks: [...caller.networks],
    expiresAt: caller.expiresAt,
  }));
  mount(app, "listTokens", async ({ ports }) => ({ tokens: await listTokens(ports) }));
  mount(app, "createToken", ({ ports, caller, body }) => createToken(ports, caller, body));
  mount(app, "rotateToken", ({ ports, caller, params, body }) => rotateToken(ports, caller, params.id, body));
  mount(app, "revokeToken", async ({ ports, caller, params }) => {
    await revokeToken(ports, caller, params.id);
    return null;
  });
}
