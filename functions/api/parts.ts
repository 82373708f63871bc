import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { sealPart } from "../registry/parts.ts";
import { commitSession } from "../registry/parts-commit.ts";
import { abortSession, joinSession, listSessions } from "../registry/parts-session.ts";

export function mountParts(app: Hono<Edge>): void {
  mount(app, "listSessions", ({ ports, repository }) => listSessions(ports, repository));
  mount(app, "joinSession", ({ ports, caller, repository, body }) => joinSession(ports, caller, repository, body));
  mount(app, "sealPart", ({ ports, caller, repository, params, body }) =>
    sealPart(ports, caller, repository, params.upload, params.part, body),
  );
  mount(app, "commitSession", ({ ports, caller, repository, params, body }) =>
    commitSession(ports, caller, repository, params.upload, body),
  );
  mount(app, "abortSession", async ({ ports, caller, repository, params }) => {
    await abortSession(ports, caller, repository, params.upload);
    return null;
  });
}
