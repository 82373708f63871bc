/** What a suite of the API is given: a running system, the means to call it, and the tally of routes that it has answered. */

import { FerryClient } from "../../../shared/client.ts";
import { ROUTES, type RouteName, type RouteSpec } from "../../../shared/contract/routes.ts";
import type { RepositoryName } from "../../../shared/names.ts";
import { repositoryName } from "../../support/memory-app.ts";
import type { Issuer } from "../../support/oidc-issuer.ts";
import { Pusher } from "../../support/pusher.ts";

export type ApiFetch = (url: string, init?: RequestInit) => Promise<Response>;

/**
 * `fetch` reaches the app and its stores. `issuer` is trusted for `audience` "modelferry" and `sub` "runner", to pull and push `api/*`.
 * `nowMs`: the time there.
 */
export type ApiGround = { endpoint: string; token: string; fetch: ApiFetch; issuer: Issuer; nowMs(): number };

export class ApiWorld {
  readonly endpoint: string;
  readonly token: string;
  readonly issuer: Issuer;
  readonly nowMs: () => number;
  /** Routes that were answered as the contract says. */
  readonly answered = new Set<RouteName>();
  readonly admin: FerryClient;
  readonly pusher: Pusher;
  readonly #fetch: ApiFetch;

  constructor({ endpoint, token, fetch, issuer, nowMs }: ApiGround) {
    this.endpoint = endpoint;
    this.token = token;
    this.issuer = issuer;
    this.nowMs = nowMs;
    this.#fetch = fetch;
    this.admin = this.clientFor(token);
    this.pusher = new Pusher(this.admin, fetch);
  }

  clientFor(token: string | undefined): FerryClient {
    const sleep = (ms: number) => new Promise<void>((wake) => setTimeout(wake, ms));
    return new FerryClient({ endpoint: this.endpoint, token, fetch: (url, init) => this.#counted(url, init), sleep, random: Math.random });
  }

  /** One request, as it is; `path` with a leading slash. */
  ask(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (!headers.has("authorization")) headers.set("authorization", `Bearer ${this.token}`);
    return this.#counted(this.endpoint + path, { ...init, headers });
  }

  /** Reaches a store by a request that the API signed. */
  reach(url: string, init?: RequestInit): Promise<Response> {
    return this.#fetch(url, init);
  }

  /** A new repository, `api/<name>`, with one commit of `files` on main. */
  async repositoryWith(name: string, files: Record<string, string>): Promise<RepositoryName> {
    const repository = repositoryName(`api/${name}`);
    await this.pusher.create(repository);
    await this.pusher.push(repository, files);
    return repository;
  }

  async #counted(url: string, init: RequestInit = {}): Promise<Response> {
    const response = await this.#fetch(url, init);
    const name = routeOf(init.method ?? "GET", new URL(url).pathname);
    if (name !== null && response.status === ROUTES[name].status) this.answered.add(name);
    return response;
  }
}

const PATTERNS = (Object.entries(ROUTES) as [RouteName, RouteSpec][]).map(([name, { method, path }]) => ({
  name,
  method,
  pattern: new RegExp(`^${path.replace(/:\w+/g, "[^/]+")}$`),
}));

function routeOf(method: string, path: string): RouteName | null {
  return PATTERNS.find((row) => row.method === method && row.pattern.test(path))?.name ?? null;
}
