/**
 * Redis's replies as Upstash's JSON. With `base64` every string is base64 but the status `OK`, so that bytes which are no UTF-8 arrive
 * whole; without it they are read as UTF-8.
 */
import { type Reply, ReplyError, Status } from "./resp.ts";

export type Encoding = "utf8" | "base64";

/** `{"result": …}` or `{"error": …}` of one command. */
export function answerText(reply: Reply, encoding: Encoding): string {
  return reply instanceof ReplyError ? errorText(reply.text) : `{"result":${valueText(reply, encoding)}}`;
}

export function errorText(problem: string): string {
  return JSON.stringify({ error: problem });
}

/** Written by hand, because JSON.stringify has no integers beyond 2^53. */
function valueText(reply: Reply, encoding: Encoding): string {
  if (reply === null) return "null";
  if (typeof reply === "number" || typeof reply === "bigint") return String(reply);
  if (Array.isArray(reply)) return `[${reply.map((item) => valueText(item, encoding)).join(",")}]`;
  if (reply instanceof Status) return reply.text === "OK" ? '"OK"' : stringText(Buffer.from(reply.text), encoding);
  if (reply instanceof ReplyError) return stringText(Buffer.from(reply.text), encoding);
  return stringText(reply, encoding);
}

function stringText(bytes: Buffer, encoding: Encoding): string {
  return encoding === "base64" ? `"${bytes.toString("base64")}"` : JSON.stringify(bytes.toString("utf8"));
}
