/**
 * The SDK's way to the network, on an injected fetch: the same in workerd and in Node, where the SDK would use sockets of its own that
 * no test can stand before. Each request has a time limit, which covers the body of its answer.
 */
import type { S3ClientConfig } from "@aws-sdk/client-s3";
import type { Wire } from "./attempt.ts";
import { encodeQuery } from "./uri.ts";

type Handler = Extract<NonNullable<S3ClientConfig["requestHandler"]>, { handle: unknown }>;
type SdkRequest = Parameters<Handler["handle"]>[0];
type SdkResponse = Awaited<ReturnType<Handler["handle"]>>["response"];

export class FetchHandler {
  readonly #wire: Wire;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  async handle(request: SdkRequest): Promise<{ response: SdkResponse }> {
    const answer = await this.#wire.fetch(urlOf(request), {
      method: request.method,
      headers: sendable(request.headers),
      // A redirect would carry our signature to a host that somebody else names.
      redirect: "manual",
      signal: AbortSignal.timeout(this.#wire.timeoutMs),
      ...(request.body === undefined ? {} : { body: request.body }),
    });
    const headers = Object.fromEntries(answer.headers);
    const response = { statusCode: answer.status, reason: answer.statusText, headers, body: answer.body ?? new Uint8Array() };
    return { response };
  }

  destroy(): void {}

  updateHttpClientConfig(): void {}

  httpHandlerConfigs(): Record<string, never> {
    return {};
  }
}

function urlOf({ protocol, hostname, port, path, query }: SdkRequest): string {
  const search = encodeQuery(Object.fromEntries(Object.entries(query).map(([name, value]) => [name, String(value ?? "")])));
  return `${protocol}//${hostname}${port === undefined ? "" : `:${port}`}${path}${search === "" ? "" : `?${search}`}`;
}

/** Fetch sets host, content-length and expect by itself, and refuses them from us. */
function sendable(headers: Record<string, string>): [string, string][] {
  return Object.entries(headers).filter(([name]) => !["host", "content-length", "expect"].includes(name.toLowerCase()));
}
