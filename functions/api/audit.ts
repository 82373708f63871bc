import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { listAudit, readBatches, readSeals } from "../registry/audit-read.ts";

export function mountAudit(app: Hono<Edge>): void {
  mount(app, "listAudit", ({ ports, query }) => listAudit(ports, query));
  mount(app, "readAuditBatches", ({ ports, query }) => readBatches(ports, query));
  mount(app, "readAuditSeals", ({ ports, query }) => readSeals(ports, query));
}
