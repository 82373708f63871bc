import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { commitRevision } from "../registry/commit.ts";
import { confirmChunks, openUpload, reserveChunks, sendRecipes } from "../registry/upload.ts";

export function mountUploads(app: Hono<Edge>): void {
  mount(app, "openUpload", ({ ports, caller, repository, body }) => openUpload(ports, caller, repository, body.branch));
  mount(app, "reserve", ({ ports, caller, repository, params, body }) => reserveChunks(ports, caller, repository, params.upload, body));
  mount(app, "confirm", ({ ports, caller, repository, params, body }) => confirmChunks(ports, caller, repository, params.upload, body));
  mount(app, "sendRecipes", async ({ ports, caller, repository, params, body }) => ({
    recipes: await sendRecipes(ports, caller, repository, params.upload, body.recipes),
  }));
  mount(app, "commit", ({ ports, caller, repository, params, body }) => commitRevision(ports, caller, repository, params.upload, body));
}
