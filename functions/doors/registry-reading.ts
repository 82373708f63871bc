/**
 * What a registry on Node serves beside the Worker's doors: Xet, for reading, and Ollama. Both carry bytes, which the edge does not; and both
 * have requests that don't say who asks: a ticket does, which the deployment has signed for one revision. It holds for a quarter of an hour,
 * whatever becomes of the token meanwhile; a blocked or deleted repository ends it at once.
 */
import type { Hono } from "hono";
import * as z from "zod";
import { fromBase64Url, toBase64Url } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { RepositoryName } from "../../shared/names.ts";
import { isoTime } from "../../shared/time.ts";
import type { Edge, EdgeContext } from "../http/edge.ts";
import { spend } from "../http/spend.ts";
import { demandStore } from "../registry/access.ts";
import type { Caller, Ports } from "../registry/ports.ts";
import { registryGate } from "./gate.ts";
import { mountOllama } from "./huggingface/ollama.ts";
import { announceXet, mountXet, type ReadTickets } from "./huggingface/xet.ts";
import { RegistryCatalog } from "./registry-catalog.ts";

const LIFE_MS = 15 * 60_000;
const MAC_BYTES = 16;
const OLLAMA_PATH = /^\/v2\/[^/]+\/[^/]+\/(manifests|blobs)\//;

const Ticket = z.strictObject({
  repository: RepositoryName,
  revision: z.string(),
  tokenId: z.string(),
  name: z.string(),
  untilMs: z.int(),
});

/** `ollamaToken`: stands for Ollama, which sends no token; null: no Ollama. */
export type Reading = { xet: boolean; ollamaToken: string | null };
type Fetch<E> = (request: Request, env: E) => Response | Promise<Response>;

export function withReading<E>(app: Hono<Edge>, fetch: Fetch<E>, { xet, ollamaToken }: Reading): Fetch<E> {
  const gate = registryGate((services, caller, c) => new RegistryCatalog(services, caller, c));
  if (ollamaToken !== null) mountOllama(app, gate, TICKETS);
  if (xet) mountXet(app, gate, TICKETS);
  const announced = xet ? announceXet(fetch) : fetch;
  return ollamaToken === null ? announced : (request, env) => announced(asReader(request, ollamaToken), env);
}

function asReader(request: Request, token: string): Request {
  if (!OLLAMA_PATH.test(new URL(request.url).pathname)) return request;
  // A page in somebody's browser is not Ollama.
  if (request.headers.has("authorization") || request.headers.has("origin")) return request;
  const headers = new Headers(request.headers);
  headers.set("authorization", `Bearer ${token}`);
  return new Request(request.url, { method: request.method, headers, signal: request.signal });
}

const TICKETS: ReadTickets = {
  async seal(context, { repository, revision }) {
    const c = context as EdgeContext;
    const { ports } = c.get("services");
    const caller = c.get("caller");
    demandStore(caller, "pull", repository, ports.stores.home.profile.id);
    const untilMs = ports.clock.now() + LIFE_MS;
    const ticket: z.infer<typeof Ticket> = { repository, revision, tokenId: caller.tokenId, name: caller.name, untilMs };
    const payload = toBase64Url(new TextEncoder().encode(JSON.stringify(ticket)));
    return { ticket: `${payload}.${await macOf(ports, payload)}`, until: isoTime(untilMs) };
  },
  async open(context, text) {
    const c = context as EdgeContext;
    const services = c.get("services");
    const [payload = "", mac = "", ...rest] = text.split(".");
    if (rest.length > 0 || mac !== (await macOf(services.ports, payload))) throw new FerryError("TOKEN_INVALID");
    const { repository, revision, untilMs, ...who } = Ticket.parse(JSON.parse(new TextDecoder().decode(fromBase64Url(payload))));
    if (untilMs < services.ports.clock.now()) throw new FerryError("TOKEN_INVALID");
    const scopes: Caller["scopes"] = [{ repositories: repository, actions: ["pull"] }];
    const caller: Caller = { ...who, kind: "robot", scopes, networks: [], expiresAt: null };
    c.set("caller", caller);
    await spend(c, caller, { requests: 1, urls: 0 });
    return { repository, revision, catalog: new RegistryCatalog(services, caller, c) };
  },
};

async function macOf(ports: Ports, payload: string): Promise<string> {
  return toBase64Url((await ports.keyed.mac("hub-read", payload)).subarray(0, MAC_BYTES));
}
