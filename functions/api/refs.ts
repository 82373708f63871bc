import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { restoreBranch } from "../registry/clone.ts";
import { readTagHistory, rollbackTag } from "../registry/tag-history.ts";
import { deleteBranch, deleteTag, lockTag, setTag, unlockTag } from "../registry/tags.ts";

export function mountRefs(app: Hono<Edge>): void {
  mount(app, "setTag", ({ ports, caller, repository, params, body }) => setTag(ports, caller, repository, params.tag, body));
  mount(app, "deleteTag", async ({ ports, caller, repository, params, query }) => {
    await deleteTag(ports, caller, repository, params.tag, query);
    return null;
  });
  mount(app, "lockTag", ({ ports, caller, repository, params, body }) => lockTag(ports, caller, repository, params.tag, body.operationId));
  mount(app, "unlockTag", async ({ ports, caller, repository, params, query }) => {
    await unlockTag(ports, caller, repository, params.tag, query.operationId);
    return null;
  });
  mount(app, "tagHistory", ({ ports, repository, params, query }) => readTagHistory(ports, repository, params.tag, query));
  mount(app, "rollbackTag", ({ ports, caller, repository, params, body }) => rollbackTag(ports, caller, repository, params.tag, body));
  mount(app, "deleteBranch", async ({ ports, caller, repository, params, query }) => {
    await deleteBranch(ports, caller, repository, params.branch, query);
    return null;
  });
  mount(app, "restoreBranch", ({ ports, caller, repository, params, body }) =>
    restoreBranch(ports, caller, repository, params.branch, body),
  );
}
