/** Speaks with the desk of an S3 door (scripts/agent/s3-desk.ts), by the token of the last login. */
import * as z from "zod";
import { FerryError, isErrorCode, problemOf } from "../../shared/errors.ts";
import type { Cli } from "./cli.ts";
import { checkTransport, mayBePlain, normalEndpoint } from "./config.ts";

const DOOR = "http://127.0.0.1:9000";
/** A commit sends what was uploaded: it may take as long as that takes. */
const PATIENCE_MS = 6 * 3_600_000;

export const DOOR_HELP = `the S3 door, as clients have it for an endpoint (default: FERRY_S3, then ${DOOR})`;
export const DoorFlag = z.string().min(1).optional();

export type Desk = { method: "GET" | "POST" | "DELETE"; path: string; body?: string };

const Refusal = z.object({ code: z.string(), details: z.record(z.string(), z.unknown()) });

export function doorOf(cli: Cli, door: string | undefined): string {
  return normalEndpoint(door ?? (cli.host.env["FERRY_S3"] || DOOR));
}

/** Throws what the door answers, ENDPOINT_UNREACHABLE, ANSWER_INVALID. */
export async function atDesk<T>(cli: Cli, door: string, { method, path, body }: Desk, answer: z.ZodType<T>): Promise<T> {
  checkTransport(door, mayBePlain(cli.host, cli.connection));
  const { token } = await cli.settings();
  if (token === undefined) throw new FerryError("TOKEN_MISSING");
  const signal = AbortSignal.any([cli.host.signal, AbortSignal.timeout(PATIENCE_MS)]);
  const init = { method, headers: { authorization: `Bearer ${token}` }, signal, ...(body === undefined ? {} : { body }) };
  const [status, text] = await cli.host.fetch(`${door}${path}`, init).then(
    async (response) => [response.status, await response.text()] as const,
    (cause: unknown) => {
      cli.host.signal.throwIfAborted();
      throw new FerryError("ENDPOINT_UNREACHABLE", { endpoint: door, problem: problemOf(cause) }, { cause });
    },
  );
  if (status === 200) return parsed(door, answer, text);
  const { code, details } = parsed(door, Refusal, text);
  if (isErrorCode(code)) throw new FerryError(code, details);
  throw new FerryError("ANSWER_INVALID", { endpoint: door, problem: `status ${status}` });
}

function parsed<T>(door: string, schema: z.ZodType<T>, text: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new FerryError("ANSWER_INVALID", { endpoint: door, problem: "it is no answer of an S3 door" }, { cause });
  }
}
