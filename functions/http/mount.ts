/**
 * Mounts a row of the route table: who may call it, its input parsed once, its answer. A handler sees only valid input and a caller
 * who may do this; permission checks happen here and nowhere else.
 */
import type { Hono } from "hono";
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
import type { RepositoryName, StoreId } from "../../shared/names.ts";
import type { Caller, Ports } from "../registry/ports.ts";
import { getRepository } from "../registry/repositories.ts";
import { audit, type Seen } from "./audited.ts";
import { authenticated, demandRight, demandSigning, repositoryIn } from "./authorize.ts";
import { BODY_BYTES_MAX, PUBLIC_BODY_BYTES_MAX, readJson } from "./body.ts";
import type { Edge, EdgeContext, Services } from "./edge.ts";
import { parsed, queryOf } from "./input.ts";
import { measure, measureAs } from "./measure.ts";
import { costOf, REFUSAL_COST, spend } from "./spend.ts";
import { wakeReplication } from "./wake.ts";

type Handled<N extends RouteName> = {
  ports: Ports;
  services: Services;
  caller: Caller;
  /** The client's, when it is known. */
  address: string | null;
  /** For routes whose body is no JSON of ours: they read it themselves. */
  request: Request;
  repository: RepositorySummary;
  /** The repository's name, as the path has it: for routes that are `unresolved`. */
  named: RepositoryName;
  params: RouteParams<Routes[N]>;
  query: RouteQuery<Routes[N]>;
  body: RouteBody<Routes[N]>;
};

/** What all bodies of routes that sign have in common. */
type Signing = { chunks: readonly unknown[]; store?: StoreId };

type Handler<N extends RouteName> = (input: Handled<N>) => Promise<RouteAnswer<Routes[N]>>;

export function mount<N extends RouteName>(app: Hono<Edge>, name: N, handle: Handler<N>): void {
  const route: RouteSpec = ROUTES[name];
  app.on(route.method, route.path, async (c) => {
    const seen: Seen<N> = {};
    measureAs(c, name);
    try {
      const answer = await answerOf(c, name, handle, seen);
      seen.answer = answer;
      await audit(c, name, seen, null);
      measure(c, name, answer);
      wakeReplication(c, name, seen.named);
      c.get("services").hooks.wake(c, name);
      return route.status === 204 ? c.body(null, 204) : c.json(answer as object, route.status);
    } catch (thrown) {
      if (seen.answer === undefined) await audit(c, name, seen, thrown);
      return throwError(thrown);
    }
  });
}

async function answerOf<N extends RouteName>(c: EdgeContext, name: N, handle: Handler<N>, seen: Seen<N>): Promise<RouteAnswer<Routes[N]>> {
  const route: RouteSpec = ROUTES[name];
  const services = c.get("services");
  const caller = await authenticated(c, route);
  seen.caller = caller;
  c.set("caller", caller);
  const named = await admitted(c, name, caller, seen);
  const resolved = named !== undefined && !route.unresolved;
  const input = {
    ports: services.ports,
    services,
    caller,
    address: c.get("address"),
    request: c.req.raw,
    named,
    repository: resolved ? await getRepository(services.ports, named) : undefined,
    params: parsed(route.params, c.req.param(), "path"),
    query: route.query === undefined ? undefined : parsed(route.query, queryOf(c.req.url), "query"),
    body:
      route.body === undefined
        ? undefined
        : parsed(route.body, await readJson(c.req.raw, route.needs === "public" ? PUBLIC_BODY_BYTES_MAX : BODY_BYTES_MAX), "body"),
  } as Handled<N>;
  seen.given = input;
  if (route.signs && named !== undefined) {
    const { chunks, store } = input.body as Signing;
    await spend(c, caller, { requests: costOf(name), urls: chunks.length });
    demandSigning(c, route, caller, named, store);
  }
  return handle(input);
}

/**
 * The repository of the path, once the caller may do what the route needs, and has paid; routes that sign are paid when it is known for how
 * much. A refusal is paid too, and dearly: each is written into the audit trail before it is answered.
 */
async function admitted<N extends RouteName>(c: EdgeContext, name: N, caller: Caller, seen: Seen<N>): Promise<RepositoryName | undefined> {
  const route: RouteSpec = ROUTES[name];
  try {
    seen.named = repositoryIn(c, route);
    demandRight(c, route, caller, seen.named);
  } catch (error) {
    await spend(c, caller, { requests: REFUSAL_COST, urls: 0 });
    seen.denied = error instanceof FerryError && error.code !== "REQUEST_INVALID";
    throw error;
  }
  if (route.needs !== "public" && !route.signs) await spend(c, caller, { requests: costOf(name), urls: 0 });
  return seen.named;
}

/** Hono hands only errors to onError: anything else that was thrown would end the request without an answer. */
function throwError(thrown: unknown): never {
  throw thrown instanceof Error ? thrown : new FerryError("INTERNAL", {}, { cause: thrown });
}
