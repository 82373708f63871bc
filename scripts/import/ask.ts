/** Requests to an origin: whatever goes wrong is SOURCE_UNAVAILABLE with the origin's name, never with a URL or a header. */
import { FerryError } from "../../shared/errors.ts";
import type { Fetch, Opened, OriginFile } from "./origin.ts";

const HEADERS_MS = 60_000;

export type Asked = { source: string; fetch: Fetch };
export type Request = { url: string; headers?: Record<string, string>; method?: string; signal: AbortSignal };

/** An answer of success, or of 304, 412 and 416, which the caller understands. */
export async function ask({ source, fetch }: Asked, { url, headers = {}, method = "GET", signal }: Request): Promise<Response> {
  const slow = new AbortController();
  const timer = setTimeout(() => slow.abort(new Error("no answer in time")), HEADERS_MS);
  let answer: Response;
  try {
    answer = await fetch(url, { method, headers, signal: AbortSignal.any([signal, slow.signal]) });
  } catch (cause) {
    signal.throwIfAborted();
    throw new FerryError("SOURCE_UNAVAILABLE", { source, problem: "no answer" }, { cause });
  } finally {
    clearTimeout(timer);
  }
  if (answer.ok || answer.status === 412 || answer.status === 416) return answer;
  await answer.body?.cancel().catch(() => {});
  throw new FerryError("SOURCE_UNAVAILABLE", { source, problem: problemOf(answer.status), status: answer.status });
}

function problemOf(status: number): string {
  if (status === 401 || status === 403) return `it answers ${status}: a token or a key for it is missing, or may not read this`;
  return status === 404 ? "there is no such thing" : `it answers ${status}`;
}

/** A GET of a range, which has to be of the very content that was listed. */
export async function open(asked: Asked, file: OriginFile, range: { from: number; to: number }, request: Request): Promise<Opened> {
  const isWhole = range.from === 0 && range.to === file.sizeBytes;
  const headers = {
    ...request.headers,
    "accept-encoding": "identity",
    ...(isWhole ? {} : { range: `bytes=${range.from}-${range.to - 1}` }),
  };
  const answer = await ask(asked, { ...request, headers });
  if (answer.status === 412 || answer.status === 416) throw new FerryError("FILE_CHANGED", { path: file.path });
  if (answer.body === null) throw new FerryError("SOURCE_UNAVAILABLE", { source: asked.source, problem: `${file.path} has no body` });
  const hidden = /kms|dsse/.test(answer.headers.get("x-amz-server-side-encryption") ?? "");
  if (answer.status === 200) return { offset: 0, hidden, body: answer.body };
  const [, from, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(answer.headers.get("content-range") ?? "") ?? [];
  if (Number(from) !== range.from || Number(total) !== file.sizeBytes) {
    await answer.body.cancel().catch(() => {});
    throw new FerryError("FILE_CHANGED", { path: file.path });
  }
  return { offset: range.from, hidden, body: answer.body };
}
