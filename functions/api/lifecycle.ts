import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { runRetention } from "../registry/retention.ts";
import { purgeRevisions, restoreRevisions, trashRevisions } from "../registry/trash.ts";
import { listTrash, purgeRepository, restoreRepository } from "../registry/trashed-repositories.ts";

export function mountLifecycle(app: Hono<Edge>): void {
  mount(app, "trashRevisions", ({ ports, caller, repository, body }) => trashRevisions(ports, caller, repository, body));
  mount(app, "restoreRevisions", ({ ports, caller, repository, body }) => restoreRevisions(ports, caller, repository, body));
  mount(app, "purgeRevisions", ({ ports, caller, repository, body }) => purgeRevisions(ports, caller, repository, body));
  mount(app, "runRetention", ({ ports, caller, repository, body }) => runRetention(ports, caller, repository, body));
  mount(app, "listTrash", ({ ports, caller, query }) => listTrash(ports, caller, query));
  mount(app, "restoreRepository", ({ ports, caller, params, body }) => restoreRepository(ports, caller, params.id, body));
  mount(app, "purgeRepository", async ({ ports, caller, params, body }) => {
    await purgeRepository(ports, caller, params.id, body);
    return null;
  });
}
