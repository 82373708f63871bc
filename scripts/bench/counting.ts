/** Stands between the parts and counts what they ask of one another. */
import { createServer as createHttpServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { connect, createServer, type Server, type Socket } from "node:net";
import { ROUTES } from "../../shared/contract/routes.ts";
import { ReplyParser } from "../stack/resp.ts";

/** How often each kind of thing was asked for. */
export type Tally = Map<string, number>;

export type RedisCounter = {
  url: string;
  /** Commands by name since the last call. */
  take(): Tally;
  stop(): Promise<void>;
};

/** In front of the Redis at `redisUrl`. Commands are what is sent and paid for; what a script does inside is not counted. */
export async function startRedisCounter(redisUrl: string): Promise<RedisCounter> {
  const target = new URL(redisUrl);
  let tally: Tally = new Map();
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const redis = connect(Number(target.port), target.hostname);
    const parser = new ReplyParser();
    client.on("data", (bytes: Buffer) => {
      for (const command of parser.push(bytes)) if (Array.isArray(command)) count(tally, String(command[0]).toUpperCase());
      redis.write(bytes);
    });
    redis.pipe(client);
    for (const [one, other] of [
      [client, redis],
      [redis, client],
    ] as const) {
      sockets.add(one);
      one.on("error", () => one.destroy());
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  const port = await listen(server);
  const url = new URL(redisUrl);
  url.port = String(port);
  return {
    url: url.href,
    take: () => {
      const taken = tally;
      tally = new Map();
      return taken;
    },
    stop: () => stop(server, () => [...sockets].map((socket) => socket.destroy())),
  };
}

export type ApiCounter = {
  url: string;
  /** Calls by the names of their routes since the last call. */
  take(): Tally;
  stop(): Promise<void>;
};

/** In front of the app. `around` runs a call of the named route; calls are otherwise passed on at once. */
export async function startApiCounter(
  endpoint: string,
  around: (route: string, call: () => Promise<void>) => Promise<void>,
): Promise<ApiCounter> {
  let tally: Tally = new Map();
  const server = createHttpServer((incoming, outgoing) => {
    const route = routeOf(incoming);
    count(tally, route);
    around(route, () => forward(endpoint, incoming, outgoing)).catch(() => outgoing.destroy());
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}`,
    take: () => {
      const taken = tally;
      tally = new Map();
      return taken;
    },
    stop: () => stop(server, () => server.closeAllConnections()),
  };
}

export function total(tally: Tally): number {
  return [...tally.values()].reduce((sum, times) => sum + times, 0);
}

function count(tally: Tally, what: string): void {
  tally.set(what, (tally.get(what) ?? 0) + 1);
}

const PATTERNS = Object.entries(ROUTES).map(([name, { method, path }]) => ({
  name,
  method,
  pattern: new RegExp(`^${path.replaceAll(/:\w+/g, "[^/]+")}$`),
}));

function routeOf({ method, url = "/" }: IncomingMessage): string {
  const [path = "/"] = url.split("?");
  return PATTERNS.find((route) => route.method === method && route.pattern.test(path))?.name ?? "other";
}

async function forward(endpoint: string, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const passed = request(new URL(incoming.url ?? "/", endpoint), { method: incoming.method, headers: incoming.headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing).on("finish", resolve).on("error", reject);
  });
  passed.on("error", reject);
  incoming.pipe(passed);
  return promise;
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function stop(server: Server, cut: () => void): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  cut();
  await closed;
}
