import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { blockRepository, unblockRepository } from "../registry/blocks.ts";
import { renameRepository } from "../registry/rename.ts";
import { createRepository, deleteRepository, describeRepository, listRepositories } from "../registry/repositories.ts";
import { setSettings } from "../registry/settings.ts";
import { deploymentUsage, repositoryUsage } from "../registry/usage.ts";

export function mountRepositories(app: Hono<Edge>): void {
  mount(app, "listRepositories", ({ ports, caller, query }) => listRepositories(ports, caller, query));
  mount(app, "createRepository", ({ ports, caller, body }) => createRepository(ports, caller, body));
  mount(app, "describeRepository", ({ ports, repository }) => describeRepository(ports, repository));
  mount(app, "deleteRepository", async ({ ports, caller, named, query }) => {
    await deleteRepository(ports, caller, named, query.operationId);
    return null;
  });
  mount(app, "renameRepository", ({ ports, caller, named, body }) => renameRepository(ports, caller, named, body));
  mount(app, "blockRepository", ({ ports, caller, repository, body }) => blockRepository(ports, caller, repository, body));
  mount(app, "unblockRepository", async ({ ports, caller, repository, query }) => {
    await unblockRepository(ports, caller, repository, query.operationId);
    return null;
  });
  mount(app, "setSettings", ({ ports, caller, repository, body }) => setSettings(ports, caller, repository, body));
  mount(app, "repositoryUsage", ({ ports, repository }) => repositoryUsage(ports, repository));
  mount(app, "usage", ({ ports, caller, query }) => deploymentUsage(ports, caller, query));
}
