/** How the engine's adapters speak HTTP with a store. Adapters behind it differ in cost, not in what they answer. */
import type { StoreAnswer } from "../../shared/transfer/ports.ts";
import { KiB } from "../../shared/units.ts";

/** Of an answer that refuses; what comes after is not read. */
export const REFUSAL_BYTES_MAX = 64 * KiB;

/** Where the body of an answer goes. What it throws ends the request and is thrown by `get`. */
export type BodySink = {
  /** The longest piece that it likes to be given; without, whatever is cheapest. */
  pieceBytesMax?: number;
  /** The store sends the whole although a rest was asked for: what is to come starts at byte 0. */
  restart(): void;
  /** The bytes are the transport's again when this returns. Resolves: little more should come before. */
  write(bytes: Uint8Array): Promise<void> | null;
};

/** Asks for the bytes from `offset` to `end` (exclusive) of an object. */
export type GetRequest = {
  url: string;
  offset: number;
  end: number;
  sizeBytes: number;
  /** On a new connection. */
  fresh?: boolean;
};

/** Fills the whole buffer with the next bytes of a body. */
export type BodyReader = (buffer: Uint8Array) => Promise<void>;

export type PutRequest = {
  method: string;
  url: string;
  headers: Record<string, string>;
  sizeBytes: number;
  /** Called anew for each try. What the reader throws ends the request and is thrown by `put`. */
  body: () => BodyReader;
  /** On a new connection. */
  fresh?: boolean;
};

export type TransportOptions = { signal: AbortSignal; onBytes: (bytes: number) => void };

/** `get`: exactly the bytes asked for were given to the sink. No status but 200 and 206 gives it any. */
export type GetAnswer = StoreAnswer | { kind: "complete" };

export type Transport = {
  get(request: GetRequest, sink: BodySink, options: TransportOptions): Promise<GetAnswer>;
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

export function answered(status: number, body: Uint8Array, retryAfter: string | undefined): StoreAnswer & { kind: "answered" } {
  const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString("utf8");
  return { kind: "answered", status, code: storeCode(text), retryAfterSeconds: retryAfterSeconds(retryAfter) };
}
