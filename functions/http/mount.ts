/**
 * Mounts a row of the route table: who may call it, its input parsed once, its answer. A handler sees only valid input and a caller
 * who may do this; permission checks happen here and nowhere else.
 */
import type { Hono } from "hono";
import * as z from "zod";
import type { RepositorySummary } from "../../shared/contract/repositories.ts";
import {
  ROUTES,
  type RouteAnswer,
  type RouteBody,
  type RouteName,
  type RouteParams,
  type RouteQuery,
  type RouteSpec,
  type Routes,
} from "../../shared/contract/routes.ts";
import { FerryError } from "../../shared/errors.ts";
import { RepositoryName } from "../../shared/names.ts";
import { demand, demandDeployment } from "../registry/access.ts";
import type { Caller, Ports } from "../registry/ports.ts";
import { getRepository } from "../registry/repositories.ts";
import { readJson } from "./body.ts";
import type { Edge, EdgeContext, Services } from "./edge.ts";

type Handled<N extends RouteName> = {
  ports: Ports;
  services: Services;
  caller: Caller;
  repository: RepositorySummary;
  /** The repository's name, as the path has it: for routes that are `unresolved`. */
  named: RepositoryName;
  params: RouteParams<Routes[N]>;
  query: RouteQuery<Routes[N]>;
  body: RouteBody<Routes[N]>;
};

const NOBODY: Caller = { tokenId: "", name: "nobody", kind: "person", scopes: [], networks: [], expiresAt: null };

export function mount<N extends RouteName>(app: Hono<Edge>, name: N, handle: (input: Handled<N>) => Promise<RouteAnswer<Routes[N]>>): void {
  const route: RouteSpec = ROUTES[name];
  const respond = async (c: EdgeContext): Promise<Response> => {
    const services = c.get("services");
    const caller = route.needs === "public" ? NOBODY : await authenticated(c, services);
    c.set("caller", caller);
    const named = scoped(c, route, caller);
    const resolved = named !== undefined && !route.unresolved;
    const input = {
      ports: services.ports,
      services,
      caller,
      named,
      repository: resolved ? await getRepository(services.ports, named) : undefined,
      params: parsed(route.params, c.req.param(), "path"),
      query: route.query === undefined ? undefined : parsed(route.query, queryOf(c.req.url), "query"),
      body: route.body === undefined ? undefined : parsed(route.body, await readJson(c.req.raw), "body"),
    };
    const answer = await handle(input as Handled<N>);
    return route.status === 204 ? c.body(null, 204) : c.json(answer as object, route.status);
  };
  app.on(route.method, route.path, (c) => respond(c).catch(throwError));
}

/** Hono hands only errors to onError: anything else that was thrown would end the request without an answer. */
function throwError(thrown: unknown): never {
  throw thrown instanceof Error ? thrown : new FerryError("INTERNAL", {}, { cause: thrown });
}

async function authenticated(c: EdgeContext, services: Services): Promise<Caller> {
  const header = c.req.header("authorization");
  if (header === undefined || header === "") throw new FerryError("TOKEN_MISSING");
  const [scheme = "", bearer = "", ...rest] = header.split(" ");
  if (scheme.toLowerCase() !== "bearer" || rest.length > 0) throw new FerryError("TOKEN_INVALID");
  return services.authenticate(bearer, c.get("address"));
}

/** The repository of the path, once the caller may do what the route needs. Without one, the deployment's own right is asked. */
function scoped(c: EdgeContext, route: RouteSpec, caller: Caller): RepositoryName | undefined {
  if (route.needs === "public" || route.needs === "token") return undefined;
  if (route.deployment) {
    demandDeployment(caller, route.needs);
    return undefined;
  }
  const { namespace, name } = c.req.param();
  const { repository } = parsed(z.object({ repository: RepositoryName }), { repository: `${namespace}/${name}` }, "path") as {
    repository: RepositoryName;
  };
  demand(caller, route.needs, repository);
  return repository;
}

/** Of two values for one key one reader takes the first and another the last, so each is given once. */
function queryOf(url: string): Record<string, string> {
  const values = new Map<string, string>();
  for (const [key, value] of new URL(url).searchParams) {
    if (values.has(key))
      throw new FerryError("REQUEST_INVALID", { problem: `query.${key.slice(0, PROBLEM_LENGTH_MAX)}: it is given twice` });
    values.set(key, value);
  }
  return Object.fromEntries(values);
}

/** Much longer ones only repeat what was sent. */
const PROBLEM_LENGTH_MAX = 300;
/**
 * Stops at the first thing that is wrong: a small body with 100,000 wrong entries would else make more issues than fit into memory.
 * zod knows this flag but does not name it in its types; a test shows that it works.
 */
const FIRST_ISSUE = { abortEarly: true } as z.core.ParseContext<z.core.$ZodIssue>;

function parsed(schema: z.ZodType | undefined, value: unknown, where: string): unknown {
  if (schema === undefined) return undefined;
  const result = schema.safeParse(value, FIRST_ISSUE);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const at = issue === undefined || issue.path.length === 0 ? where : `${where}.${issue.path.join(".")}`;
  throw new FerryError("REQUEST_INVALID", { problem: `${at}: ${issue?.message ?? "not valid"}`.slice(0, PROBLEM_LENGTH_MAX) });
}
