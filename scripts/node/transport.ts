/** How the engine's adapters speak HTTP with a store. Adapters behind it differ in cost, not in what they answer. */
import type { StoreAnswer } from "../../shared/transfer/ports.ts";

/** Where the body of an answer goes. What it throws ends the request and is thrown by `get`. */
export type BodySink = {
  /** The store sends the whole although a rest was asked for: what is to come starts at byte 0. */
  restart(): void;
  write(bytes: Uint8Array): void;
};

export type GetRequest = {
  url: string;
  /** First byte wanted; the rest of the `sizeBytes` is asked for. */
  offset: number;
  sizeBytes: number;
};

export type PutRequest = {
  method: string;
  url: string;
  headers: Record<string, string>;
  sizeBytes: number;
  /** Called once. What it throws ends the request and is thrown by `put`. */
  body: () => AsyncGenerator<Uint8Array>;
};

export type TransportOptions = { signal: AbortSignal; onBytes: (bytes: number) => void };

export type Transport = {
  /** `complete`: exactly the bytes asked for were given to the sink. No status but 200 and 206 gives it any. */
  get(request: GetRequest, sink: BodySink, options: TransportOptions): Promise<StoreAnswer | { kind: "complete" }>;
  put(request: PutRequest, options: TransportOptions): Promise<StoreAnswer>;
  close(): Promise<void>;
};

/** S3 names its errors in XML; other texts say nothing that could be relied on. */
export function storeCode(body: string): string {
  return /<Code>([A-Za-z0-9]{1,64})<\/Code>/.exec(body)?.[1] ?? "";
}

/** Seconds of a Retry-After header, 0 when there is none that makes sense. Dates are not understood: stores send seconds. */
export function retryAfterSeconds(header: string | undefined): number {
  const seconds = Number(header ?? "");
  return Number.isFinite(seconds) && seconds > 0 ? seconds : 0;
}
