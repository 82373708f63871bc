import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { lookAtIndex } from "../registry/recovery/beat.ts";
import { rebuildStatus, startRebuild, stepRebuild } from "../registry/recovery/rebuild.ts";

export function mountRecovery(app: Hono<Edge>): void {
  mount(app, "checkIndex", ({ ports }) => lookAtIndex(ports));
  mount(app, "rebuildStatus", ({ ports }) => rebuildStatus(ports));
  mount(app, "startRebuild", ({ ports }) => startRebuild(ports));
  mount(app, "stepRebuild", ({ ports }) => stepRebuild(ports));
}
