import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { cloneRevision } from "../registry/clone.ts";
import { diffRevisions } from "../registry/diff.ts";
import { planDownload } from "../registry/download.ts";
import { listRevisions, searchRevisions } from "../registry/history.ts";
import { setLabels } from "../registry/labels.ts";
import { readManifest, readRecipes, resolveRevision, summaryOf } from "../registry/revisions.ts";

export function mountRevisions(app: Hono<Edge>): void {
  mount(app, "listRevisions", ({ ports, repository, query }) => listRevisions(ports, repository, query));
  mount(app, "searchRevisions", ({ ports, caller, query }) => searchRevisions(ports, caller, query));
  mount(app, "resolve", async ({ ports, repository, params }) => summaryOf(await resolveRevision(ports, repository, params.ref)));
  mount(app, "manifest", ({ ports, repository, params }) => readManifest(ports, repository, params.ref));
  mount(app, "readRecipes", async ({ ports, repository, params, body }) => ({
    recipes: await readRecipes(ports, repository, params.ref, body.recipes),
  }));
  mount(app, "download", ({ ports, caller, repository, params, body }) => planDownload(ports, caller, repository, params.ref, body));
  mount(app, "diff", ({ ports, repository, params, query }) => diffRevisions(ports, repository, params.ref, query.base));
  mount(app, "setLabels", ({ ports, caller, repository, params, body }) => setLabels(ports, caller, repository, params.ref, body));
  mount(app, "clone", ({ ports, caller, named, body }) => cloneRevision(ports, caller, named, body));
}
