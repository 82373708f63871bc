/** An HTTP proxy in front of one server that counts what passes and can lose chosen calls. */
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * What becomes of a request. `pass`: on to the target. `drop`: the target never sees it, and the connection breaks. `lose`: the target does
 * it, and the answer is lost. `html`: the target never sees it; the answer is a page of a proxy, with status 500. `hang`: nobody answers,
 * for 20 s. A URL: to another target. `late`: answered with 504 at once, and done when that resolves. `edit`: the answer is made another.
 */
export type Verdict =
  | "pass"
  | "drop"
  | "lose"
  | "html"
  | "hang"
  | { target: string }
  | { late: Promise<void> }
  | { edit: (answer: string) => string };

const HANG_MS = 20_000;

export type Forwarder = {
  url: string;
  /** Where requests go; may be set after the start. */
  target: string;
  requestBytes: number;
  responseBytes: number;
  requests: number;
  rule: (request: { method: string; path: string; body: Buffer }) => Verdict | Promise<Verdict>;
  stop(): Promise<void>;
};

export async function startForwarder(): Promise<Forwarder> {
  const forwarder: Forwarder = {
    url: "",
    target: "",
    requestBytes: 0,
    responseBytes: 0,
    requests: 0,
    rule: () => "pass",
    stop: async () => {},
  };
  const server = createServer((incoming, outgoing) => {
    forward(forwarder, incoming, outgoing).catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  forwarder.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  forwarder.stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return forwarder;
}

async function forward(forwarder: Forwarder, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const body = await bodyOf(incoming);
  forwarder.requests++;
  forwarder.requestBytes += body.length;
  const verdict = await forwarder.rule({ method: incoming.method ?? "", path: incoming.url ?? "", body });
  if (verdict === "html") {
    outgoing.writeHead(500, { "content-type": "text/html" }).end("<!doctype html><title>Internal Server Error</title>");
    return;
  }
  if (verdict === "hang") {
    await hangUp(outgoing);
    return;
  }
  if (verdict === "drop") {
    outgoing.destroy();
    return;
  }
  const isLate = typeof verdict === "object" && "late" in verdict;
  if (isLate) {
    outgoing.writeHead(504).end();
    await verdict.late;
  }
  const url = new URL(incoming.url ?? "/", typeof verdict === "object" && "target" in verdict ? verdict.target : forwarder.target);
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    // The host stays as the client signed it.
    const headers = { ...incoming.headers, "content-length": String(body.length) };
    const passed = request(url, { method: incoming.method, headers }, resolve).on("error", reject);
    passed.end(body);
  });
  const answered = await bodyOf(answer);
  if (isLate) return;
  forwarder.responseBytes += answered.length;
  if (verdict === "lose") {
    outgoing.destroy();
    return;
  }
  if (typeof verdict === "object" && "edit" in verdict) {
    const { "content-length": _, ...headers } = answer.headers;
    outgoing.writeHead(answer.statusCode ?? 502, headers).end(verdict.edit(answered.toString("utf8")));
    return;
  }
  outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
  outgoing.end(answered);
}

async function bodyOf(stream: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** Until the client leaves, or the time is up. */
async function hangUp(outgoing: ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, HANG_MS);
    outgoing.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
  outgoing.destroy();
}
