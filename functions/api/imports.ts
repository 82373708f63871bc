import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { cancelImport, listImports, startImport } from "../registry/imports/imports.ts";
import { extendImport, finishImport, leaseImport } from "../registry/imports/lease.ts";

export function mountImports(app: Hono<Edge>): void {
  mount(app, "listImports", async ({ ports, repository }) => ({ imports: await listImports(ports, repository) }));
  mount(app, "startImport", ({ ports, caller, repository, body }) => startImport(ports, caller, repository, body));
  mount(app, "cancelImport", async ({ ports, repository, params }) => {
    await cancelImport(ports, repository, params.import);
    return null;
  });
  mount(app, "leaseImport", ({ ports, caller, body }) => leaseImport(ports, caller, body));
  mount(app, "extendImport", ({ ports, repository, params, body }) => extendImport(ports, repository, params.import, body));
  mount(app, "finishImport", ({ ports, repository, params, body }) => finishImport(ports, repository, params.import, body));
}
