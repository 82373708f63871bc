/**
 * As much of Cloudflare's API as `wrangler deploy` asks for, on loopback, with what it was sent. It stands in for nothing else: that the
 * real one takes the same calls is wrangler's business.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const ACCOUNT = "0123456789abcdef0123456789abcdef";
/** Error codes that wrangler knows: no such Worker yet. */
const NO_WORKER = 10_090;

export type Sent = { method: string; path: string; body: string };
export type FakeCloudflare = { env: Record<string, string>; sent: Sent[]; buckets: Set<string>; stop(): Promise<void> };

export async function startFakeCloudflare(): Promise<FakeCloudflare> {
  const sent: Sent[] = [];
  const buckets = new Set<string>();
  const server = createServer((request, response) => {
    void answer(request, response, sent, buckets);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const env = {
    CLOUDFLARE_API_BASE_URL: `http://127.0.0.1:${port}`,
    CLOUDFLARE_API_TOKEN: "test",
    CLOUDFLARE_ACCOUNT_ID: ACCOUNT,
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
  };
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { env, sent, buckets, stop };
}

async function answer(request: IncomingMessage, response: ServerResponse, sent: Sent[], buckets: Set<string>): Promise<void> {
  let body = "";
  for await (const bytes of request.setEncoding("latin1")) body += String(bytes);
  const { method = "", url = "" } = request;
  const path = url.replace(`/accounts/${ACCOUNT}`, "").replace(/\?.*/, "");
  sent.push({ method, path, body });
  if (method === "POST" && path === "/r2/buckets") buckets.add(String((JSON.parse(body) as { name?: unknown }).name));
  const result = resultOf(method, path, buckets);
  const problem = result === undefined ? [{ code: NO_WORKER, message: "there is no such Worker" }] : [];
  response.statusCode = result === undefined ? 404 : 200;
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ success: result !== undefined, errors: problem, messages: [], result: result ?? null }));
}

/** Undefined: not found. */
function resultOf(method: string, path: string, buckets: Set<string>): unknown {
  if (path === "/accounts") return [{ id: ACCOUNT, name: "test" }];
  if (path === "/user") return { id: "user", email: "test@example.com" };
  if (path === "/user/tokens/verify") return { id: "token", status: "active" };
  if (path === "/memberships") return [{ account: { id: ACCOUNT, name: "test" } }];
  if (path === "/r2/buckets" && method === "GET") {
    return { buckets: [...buckets].map((name) => ({ name, creation_date: "2026-01-01T00:00:00.000Z" })) };
  }
  // All files are there already.
  if (path.endsWith("/assets-upload-session")) return { jwt: "test", buckets: [] };
  if (path === "/workers/subdomain") return { subdomain: "test" };
  if (method === "GET" && /^\/workers\/(services|scripts)\//.test(path)) return undefined;
  if (/^\/workers\/workers\//.test(path))
    return { id: "modelferry", name: "modelferry", subdomain: { enabled: true, previews_enabled: false } };
  return { id: "modelferry", startup_time_ms: 5, enabled: true, previews_enabled: false, deployment_id: "1" };
}
