import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { createRepository, deleteRepository, describeRepository, listRepositories } from "../registry/repositories.ts";

export function mountRepositories(app: Hono<Edge>): void {
  mount(app, "listRepositories", ({ ports, caller, query }) => listRepositories(ports, caller, query));
  mount(app, "createRepository", ({ ports, caller, body }) => createRepository(ports, caller, body));
  mount(app, "describeRepository", ({ ports, repository }) => describeRepository(ports, repository));
  mount(app, "deleteRepository", async ({ ports, caller, repository, query }) => {
    await deleteRepository(ports, caller, repository, query.operationId);
    return null;
  });
}
