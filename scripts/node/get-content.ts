/** What the head of an answer to a GET says about the bytes that were asked for. */
import type { GetRequest } from "./transport.ts";

export type Content =
  | { kind: "refusal" }
  /** The body is none that could be used. */
  | { kind: "problem"; problem: string }
  /** `bytes` of the object follow, from `offset`. `hasLength`: the answer says so itself. */
  | { kind: "content"; offset: number; bytes: number; hasLength: boolean };

/** @param header gives a header's value by its lower-case name. */
export function contentOf(request: GetRequest, status: number, header: (name: string) => string | undefined): Content {
  if (status !== 200 && status !== 206) return { kind: "refusal" };
  const encoding = header("content-encoding");
  if (encoding !== undefined && encoding !== "identity") return { kind: "problem", problem: "the answer is compressed" };
  if (status === 206) return ofRange(request, header);
  // A store that ignores ranges sends the whole: good for whoever wants all up to the end.
  if (request.end < request.sizeBytes) return { kind: "problem", problem: "the store ignores the range" };
  return withLength(0, request.sizeBytes, header("content-length"));
}

function ofRange(request: GetRequest, header: (name: string) => string | undefined): Content {
  const { offset, end, sizeBytes } = request;
  const [, first, last, total] = /^bytes ([0-9]{1,15})-([0-9]{1,15})\/([0-9]{1,15}|\*)$/.exec(header("content-range") ?? "") ?? [];
  const isAsked = Number(first) === offset && Number(last) === end - 1 && (total === "*" || Number(total) === sizeBytes);
  if (!isAsked) return { kind: "problem", problem: "the answer is another range" };
  const length = header("content-length");
  // Without a length it may be anything; the whole is then taken back, but a part in the middle can't be.
  if (length === undefined && end < sizeBytes) return { kind: "problem", problem: "the answer has no length" };
  return withLength(offset, end - offset, length);
}

function withLength(offset: number, bytes: number, length: string | undefined): Content {
  if (length === undefined) return { kind: "content", offset, bytes, hasLength: false };
  if (Number(length) === bytes) return { kind: "content", offset, bytes, hasLength: true };
  return { kind: "problem", problem: `the answer has ${length} bytes instead of ${bytes}` };
}

/** Null: the whole object. */
export function rangeHeader({ offset, end, sizeBytes }: GetRequest): string | null {
  if (end < sizeBytes) return `bytes=${offset}-${end - 1}`;
  return offset > 0 ? `bytes=${offset}-` : null;
}
