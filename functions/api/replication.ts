import type { Hono } from "hono";
import type { Edge } from "../http/edge.ts";
import { mount } from "../http/mount.ts";
import { syncStep } from "../registry/replicate/bell.ts";
import { extendLoan, finishLoan, lendTask } from "../registry/replicate/lend.ts";
import { listPolicies, previewPolicy, removePolicy, runPolicy, setPolicy } from "../registry/replicate/policies.ts";
import { promote } from "../registry/replicate/promote.ts";
import { cancelJob, syncStatus } from "../registry/replicate/status.ts";
import { verifyReplica } from "../registry/replicate/verify.ts";
import { getRepository } from "../registry/repositories.ts";

export function mountReplication(app: Hono<Edge>): void {
  mount(app, "listPolicies", async ({ ports }) => ({ policies: await listPolicies(ports) }));
  mount(app, "previewPolicy", ({ ports, body }) => previewPolicy(ports, body.policy));
  mount(app, "setPolicy", ({ ports, caller, body }) => setPolicy(ports, caller, body));
  mount(app, "runPolicy", ({ ports, caller, params, body }) => runPolicy(ports, caller, params.policy, body.operationId));
  mount(app, "removePolicy", async ({ ports, caller, params, query }) => {
    await removePolicy(ports, caller, params.policy, query.operationId);
    return null;
  });
  mount(app, "syncStatus", async ({ ports, query }) =>
    syncStatus(ports, query.repository === undefined ? null : await getRepository(ports, query.repository)),
  );
  mount(app, "stepSync", ({ ports }) => syncStep(ports, { now: true }));
  mount(app, "verifyReplica", ({ ports, repository, body }) => verifyReplica(ports, repository, body));
  mount(app, "cancelJob", async ({ ports, params }) => {
    await cancelJob(ports, params.store, params.job);
    return null;
  });
  mount(app, "leaseTask", ({ ports, params }) => lendTask(ports, params.store));
  mount(app, "extendTask", ({ ports, params, body }) => extendLoan(ports, { store: params.store, ...body }));
  mount(app, "finishTask", ({ ports, params, body: { task, fence, ...said } }) =>
    finishLoan(ports, { store: params.store, task, fence }, said),
  );
  mount(app, "promote", ({ ports, caller, body }) => promote(ports, caller, body));
}
