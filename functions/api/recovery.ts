import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { cancelFsck, fsckStatus, startFsck, stepFsck } from "../registry/fsck/run.ts";
import { lookAtIndex } from "../registry/recovery/beat.ts";
import { rebuildStatus, startRebuild, stepRebuild } from "../registry/recovery/rebuild.ts";

export function mountRecovery(app: Hono<Edge>): void {
  mount(app, "checkIndex", ({ ports }) => lookAtIndex(ports));
  mount(app, "rebuildStatus", async ({ ports, services }) => ({ ...(await rebuildStatus(ports)), generation: services.generation }));
  mount(app, "startRebuild", ({ ports }) => startRebuild(ports));
  mount(app, "stepRebuild", ({ ports }) => stepRebuild(ports));
  mount(app, "fsckStatus", ({ ports }) => fsckStatus(ports));
  mount(app, "startFsck", ({ ports, body }) => startFsck(ports, body));
  mount(app, "stepFsck", ({ ports }) => stepFsck(ports));
  mount(app, "cancelFsck", ({ ports }) => cancelFsck(ports));
}
