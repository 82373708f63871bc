import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { deleteBranch, deleteTag, setTag } from "../registry/tags.ts";

export function mountRefs(app: Hono<Edge>): void {
  mount(app, "setTag", ({ ports, caller, repository, params, body }) => setTag(ports, caller, repository, params.tag, body));
  mount(app, "deleteTag", async ({ ports, caller, repository, params, query }) => {
    await deleteTag(ports, caller, repository, params.tag, query);
    return null;
  });
  mount(app, "deleteBranch", async ({ ports, caller, repository, params, query }) => {
    await deleteBranch(ports, caller, repository, params.branch, query);
    return null;
  });
}
