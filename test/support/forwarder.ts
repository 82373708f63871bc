/** An HTTP proxy in front of one server that counts what passes and can lose chosen calls. */
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Forwarder = {
  url: string;
  /** Where requests go; may be set after the start. */
  target: string;
  requestBytes: number;
  responseBytes: number;
  requests: number;
  /** Decides for each request: "pass" it on, "drop" it unseen by the target, or pass it on and lose the answer ("lose"). */
  rule: (request: { method: string; path: string; body: Buffer }) => "pass" | "drop" | "lose" | Promise<"pass" | "drop" | "lose">;
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
  if (verdict === "drop") {
    outgoing.destroy();
    return;
  }
  const url = new URL(incoming.url ?? "/", forwarder.target);
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    // The host stays as the client signed it.
    const headers = { ...incoming.headers, "content-length": String(body.length) };
    const passed = request(url, { method: incoming.method, headers }, resolve).on("error", reject);
    passed.end(body);
  });
  const answered = await bodyOf(answer);
  forwarder.responseBytes += answered.length;
  if (verdict === "lose") {
    outgoing.destroy();
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
