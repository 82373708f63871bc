/**
 * The REST bridge: Upstash's protocol in front of a plain Redis, for the local stack and for deployments that keep a Redis of their
 * own behind a Worker. POST `/` one command, `/pipeline` many, `/multi-exec` many as one transaction, and `/set/key/value` by path.
 * Source: https://upstash.com/docs/redis/features/restapi
 *
 * Gaps: no /subscribe and /monitor, no `Upstash-Response-Format: resp2`, no token in the query (it would be logged).
 * There is one Redis, so every read sees every write that was answered before: the sync token is handed back as it came.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { answerText, type Encoding, errorText } from "./bridge-answer.ts";
import { BridgeRefusal, parseCommand, parseCommands, parsePath } from "./bridge-commands.ts";
import { RedisConnection, RedisUnavailable } from "./redis-connection.ts";
import { type Command, type Reply, ReplyError } from "./resp.ts";
import { ScriptFlags } from "./script-flags.ts";

export type BridgeOptions = {
  redisUrl: string;
  token: string;
  /** 0 takes any free port. */
  port: number;
  host?: string;
};

export type Bridge = { url: string; port: number; stop(): Promise<void> };

type Context = { redis: RedisConnection; scripts: ScriptFlags; tokenDigest: Buffer };
type Answer = { status: number; text: string };

/** Upstash's own bound of one request. */
const BODY_MAX_BYTES = 10 * 1024 * 1024;

/** Listens and answers; Redis need not be up yet. Throws what node:net throws when the port can't be had. */
export async function startBridge(options: BridgeOptions): Promise<Bridge> {
  const host = options.host ?? "127.0.0.1";
  const context: Context = {
    redis: new RedisConnection({ url: options.redisUrl }),
    scripts: new ScriptFlags(),
    tokenDigest: digestOf(options.token),
  };
  const server = createServer(
    { requestTimeout: 60_000, keepAliveTimeout: 75_000 },
    (request, response) => void serve(context, request, response),
  );
  const port = await listen(server, host, options.port);
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`,
    port,
    stop: () => stop(server, context.redis),
  };
}

async function serve(context: Context, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const answer = await answerTo(context, request).catch(failure);
  const syncToken = request.headers["upstash-sync-token"];
  response.writeHead(answer.status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(answer.text),
    ...(typeof syncToken === "string" ? { "upstash-sync-token": syncToken } : {}),
  });
  response.end(answer.text);
  // The rest of a body that was refused: left unread, it would stand before the connection's next request.
  request.resume();
}

async function answerTo(context: Context, request: IncomingMessage): Promise<Answer> {
  if (!isAuthorized(context, request)) throw new BridgeRefusal("Unauthorized", 401);
  if (request.headers["upstash-response-format"] !== undefined) throw new BridgeRefusal("ERR Upstash-Response-Format is not available");
  const encoding = encodingOf(request);
  const [path = "/", query = ""] = splitOnce(request.url ?? "/", "?");
  const isGet = request.method === "GET" || request.method === "HEAD";
  if (!isGet && request.method !== "POST" && request.method !== "PUT") throw new BridgeRefusal("ERR use GET or POST", 405);
  const body = isGet ? "" : await readBody(request);
  switch (path) {
    case "/":
      return one(context, parseCommand(parseJson(body)), encoding);
    case "/pipeline":
      return pipeline(context, parseCommands(parseJson(body)), encoding);
    case "/multi-exec":
      return transaction(context, parseCommands(parseJson(body)), encoding);
    default:
      return one(context, parsePath(path, new URLSearchParams(query), body), encoding);
  }
}

async function one(context: Context, command: Command, encoding: Encoding): Promise<Answer> {
  const [reply = null] = await send(context, [command]);
  return { status: reply instanceof ReplyError ? 400 : 200, text: answerText(reply, encoding) };
}

async function pipeline(context: Context, commands: Command[], encoding: Encoding): Promise<Answer> {
  const replies = await send(context, commands);
  return { status: 200, text: listText(replies, encoding) };
}

/** MULTI, the commands and EXEC leave in one write, so nobody's command gets into the transaction. */
async function transaction(context: Context, commands: Command[], encoding: Encoding): Promise<Answer> {
  const replies = await send(context, [["MULTI"], ...commands, ["EXEC"]]);
  const results = replies.at(-1) ?? null;
  if (Array.isArray(results)) {
    const named = results.map((reply, index) => withCallersDigest(context, commands[index], reply));
    return { status: 200, text: listText(named, encoding) };
  }
  // Redis names the command that it did not take where it was queued; EXEC only says that there was one.
  const queueing = replies.slice(1, -1).find((reply) => reply instanceof ReplyError);
  const reason = results instanceof ReplyError ? results.text : "EXECABORT the transaction was discarded";
  return { status: 400, text: errorText(queueing === undefined ? reason : `EXECABORT Transaction discarded because of: ${queueing.text}`) };
}

async function send(context: Context, commands: readonly Command[]): Promise<Reply[]> {
  const replies = await context.redis.send(commands.map((command) => context.scripts.translate(command)));
  return replies.map((reply, index) => withCallersDigest(context, commands[index], reply));
}

function withCallersDigest(context: Context, command: Command | undefined, reply: Reply): Reply {
  if (command === undefined || !Buffer.isBuffer(reply)) return reply;
  const digest = context.scripts.loadedDigest(command);
  return digest === null ? reply : Buffer.from(digest);
}

function listText(replies: readonly Reply[], encoding: Encoding): string {
  return `[${replies.map((reply) => answerText(reply, encoding)).join(",")}]`;
}

function failure(error: unknown): Answer {
  if (error instanceof BridgeRefusal) return { status: error.status, text: errorText(error.message) };
  if (error instanceof RedisUnavailable) return { status: 500, text: errorText(`ERR ${error.message}`) };
  return { status: 500, text: errorText("ERR the bridge failed") };
}

function encodingOf(request: IncomingMessage): Encoding {
  const asked = request.headers["upstash-encoding"];
  if (asked === undefined) return "utf8";
  if (asked === "base64") return "base64";
  throw new BridgeRefusal("ERR the only Upstash-Encoding is base64");
}

/** Digests have one length and say nothing about the token, so the comparison takes the same time for every wrong token. */
function isAuthorized(context: Context, request: IncomingMessage): boolean {
  const [, token] = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "") ?? [];
  return token !== undefined && timingSafeEqual(digestOf(token), context.tokenDigest);
}

function digestOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

async function readBody(request: IncomingMessage): Promise<string> {
  if (Number(request.headers["content-length"] ?? 0) > BODY_MAX_BYTES) throw tooLarge();
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  // Leaving the loop must not destroy the request: the refusal goes out on the same connection.
  for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    sizeBytes += piece.length;
    if (sizeBytes > BODY_MAX_BYTES) throw tooLarge();
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

function tooLarge(): BridgeRefusal {
  return new BridgeRefusal(`ERR max request size exceeded. Limit: ${BODY_MAX_BYTES} bytes`, 413);
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new BridgeRefusal("ERR the body is not JSON");
  }
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, host, resolve);
  await promise;
  server.off("error", reject);
  return (server.address() as AddressInfo).port;
}

/** Calls under way are answered first, for a second at most. */
async function stop(server: Server, redis: RedisConnection): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const force = setTimeout(() => server.closeAllConnections(), 1_000);
  await closed;
  clearTimeout(force);
  redis.close();
}
