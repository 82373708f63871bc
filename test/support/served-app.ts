/** The memory app behind a real socket on loopback, its home store too, so that a child process can push to it and pull from it. */
import { serve } from "@hono/node-server";
import type { MemoryApp } from "./memory-app.ts";

export type ServedApp = { endpoint: string; requests: string[]; stop: () => Promise<void> };

/** @param refuse a status for a request that shall fail; null to let it through. */
export async function serveApp(
  app: MemoryApp,
  refuse: (request: Request) => Promise<number | null> = async () => null,
): Promise<ServedApp> {
  const requests: string[] = [];
  const fetch = async (request: Request): Promise<Response> => {
    const { pathname, search } = new URL(request.url);
    requests.push(`${request.method} ${pathname}${search}`);
    const refused = await refuse(request);
    if (refused !== null) return new Response(null, { status: refused });
    return pathname.startsWith("/chunks/") ? app.stores.home.handle(request) : app.fetch(request.url, request);
  };
  const server = serve({ fetch, hostname: "127.0.0.1", port: 0 });
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  const endpoint = `http://127.0.0.1:${address.port}`;
  app.stores.home.profile.endpoint = endpoint;
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      if ("closeAllConnections" in server) server.closeAllConnections();
    });
  return { endpoint, requests, stop };
}
