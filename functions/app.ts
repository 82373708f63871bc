/** The app: one for workerd and Node. Mounts the routers, and turns every failure into one form. */
import { Hono } from "hono";
import { mountAbout } from "./api/about.ts";
import { mountAgents } from "./api/agents.ts";
import { mountAudit } from "./api/audit.ts";
import { mountAuth } from "./api/auth.ts";
import { mountCollect } from "./api/collect.ts";
import { mountEvents } from "./api/events.ts";
import { mountHooks } from "./api/hooks.ts";
import { mountIdentity } from "./api/identity.ts";
import { mountImports } from "./api/imports.ts";
import { mountLifecycle } from "./api/lifecycle.ts";
import { mountMetrics } from "./api/metrics.ts";
import { mountParts } from "./api/parts.ts";
import { mountPeople } from "./api/people.ts";
import { mountRecovery } from "./api/recovery.ts";
import { mountRefs } from "./api/refs.ts";
import { mountReplication } from "./api/replication.ts";
import { mountRepositories } from "./api/repositories.ts";
import { mountRevisions } from "./api/revisions.ts";
import { mountSignatures } from "./api/signatures.ts";
import { mountStores } from "./api/stores.ts";
import { mountTokens } from "./api/tokens.ts";
import { mountUploads } from "./api/uploads.ts";
import { mountConsole } from "./dashboard/shell.ts";
import { mountHub } from "./doors/huggingface/door.ts";
import type { Edge, EdgeContext, Services } from "./http/edge.ts";
import { observe } from "./http/observe.ts";
import { answerProblem } from "./http/problems.ts";
import { unknownRoute } from "./http/unknown-route.ts";

/**
 * @param services gives the deployment's parts for the environment of a request; it may keep what it built
 * @param addressOf the client's address, from what the client can't forge; null when it is not known
 */
export function createApp(services: (env: unknown) => Services, addressOf: (c: EdgeContext) => string | null = () => null): Hono<Edge> {
  const app = new Hono<Edge>();
  app.use(async (c, next) => {
    c.set("services", services(c.env));
    c.set("address", addressOf(c));
    await next();
  });
  app.use(observe);
  mountConsole(app);
  mountAbout(app);
  mountRepositories(app);
  mountRevisions(app);
  mountRefs(app);
  mountLifecycle(app);
  mountUploads(app);
  mountParts(app);
  mountTokens(app);
  mountIdentity(app);
  mountSignatures(app);
  mountPeople(app);
  mountAuth(app);
  mountAudit(app);
  mountStores(app);
  mountCollect(app);
  mountRecovery(app);
  mountReplication(app);
  mountImports(app);
  mountAgents(app);
  mountEvents(app);
  mountHooks(app);
  mountMetrics(app);
  mountHub(app);
  app.notFound((c) => {
    throw unknownRoute(app.routes, c.req.method, c.req.path);
  });
  app.onError((error, c) => answerProblem(c, error));
  return app;
}
