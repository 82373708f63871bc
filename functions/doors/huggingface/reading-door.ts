/**
 * The Hub's door of something that only reads, such as a node's agent: the read routes on catalogs that are opened by the callers' tokens.
 * What writes is refused with a word where it belongs.
 */
import { type Context, Hono } from "hono";
import { FerryError } from "../../../shared/errors.ts";
import type { Catalog } from "../catalog.ts";
import type { Gate } from "../gate.ts";
import { asFerryError, hubProblem } from "./errors.ts";
import { mountOllama } from "./ollama.ts";
import { mountHubRead } from "./read.ts";
import { announceXet, mountXet, type ReadTickets } from "./xet.ts";

export type Opening = {
  /** Throws TOKEN_INVALID. */
  open: (token: string) => Promise<Catalog>;
  /** Stands for callers who send no token; null: they are refused. */
  anonymous: string | null;
  tickets: ReadTickets;
  xet: boolean;
};

/** Answers every request; nothing is thrown. */
export function readingDoor(opening: Opening): (request: Request, env?: unknown) => Response | Promise<Response> {
  const app = new Hono();
  const gate = readingGate(opening);
  mountHubRead(app, gate);
  mountOllama(app, gate, opening.tickets);
  if (opening.xet) mountXet(app, gate, opening.tickets);
  app.all("*", async (c) => hubProblem(notHere(c), c.req.method));
  app.onError((error, c) => hubProblem(asFerryError(error), c.req.method));
  const plain = async (request: Request) => app.fetch(request);
  return opening.xet ? announceXet(plain) : plain;
}

function readingGate({ open, anonymous }: Opening): Gate<Catalog> {
  return async (c, _, handle) => handle(await open(tokenOf(c, anonymous)), { repository: null, about: {} });
}

/** Throws TOKEN_MISSING, TOKEN_INVALID. */
export function tokenOf(c: Context, anonymous: string | null): string {
  const header = c.req.header("authorization") ?? "";
  const [, token] = /^bearer ([^ ]+)$/i.exec(header) ?? [];
  if (token !== undefined) return token;
  if (header !== "") throw new FerryError("TOKEN_INVALID");
  // A page in somebody's browser is not who was meant.
  if (anonymous !== null && c.req.header("origin") === undefined) return anonymous;
  throw new FerryError("TOKEN_MISSING");
}

function notHere({ req: { method, path } }: Context): FerryError {
  const isRead = method === "GET" || method === "HEAD";
  return isRead ? new FerryError("ROUTE_UNKNOWN", { method, path: path.slice(0, 200) }) : new FerryError("AGENT_READS_ONLY");
}
