/**
 * What went wrong with a store, as the domain may know it: STORAGE_UNAVAILABLE with a status and an error code. Messages and causes of
 * the SDK and of fetch are dropped, because they hold URLs with signatures, key ids, and bodies that are not ours.
 */
import { FerryError } from "../../shared/errors.ts";
import type { Answer } from "./dialects.ts";

export function unavailable(store: string, problem: string): FerryError {
  return new FerryError("STORAGE_UNAVAILABLE", { store, problem });
}

/** A store's answer that is no success. */
export class StoreAnswer extends Error {
  readonly status: number;
  readonly code: string;

  constructor({ status, code = "" }: Answer) {
    super(`${status} ${code}`.trim());
    this.name = "StoreAnswer";
    this.status = status;
    this.code = code;
  }
}

/** No answer at all, or only part of one. */
export class NoAnswer extends Error {
  constructor(problem: string) {
    super(problem);
    this.name = "NoAnswer";
  }
}

/** Makes one of the two classes above of anything that the SDK, fetch or our own code on them throws. */
export function understand(error: unknown): StoreAnswer | NoAnswer {
  if (error instanceof StoreAnswer || error instanceof NoAnswer) return error;
  if (error instanceof FerryError) return new NoAnswer(String(error.details["problem"] ?? error.code));
  if (!(error instanceof Error)) return new NoAnswer("no answer");
  const status = statusOf(error);
  if (status !== undefined && status < 300) return new NoAnswer("an answer that can't be read");
  if (status !== undefined) return new StoreAnswer({ status, code: isCode(error.name) ? error.name : "" });
  if (error.name === "TimeoutError" || error.name === "AbortError") return new NoAnswer("no answer in time");
  const code = error.cause instanceof Error && "code" in error.cause ? String(error.cause.code) : "";
  return new NoAnswer(isCode(code) ? `no answer (${code})` : "no answer");
}

/** Whether the same request may succeed when repeated soon. 501 is how a store says that it does not know an operation. */
export function isTransient(failure: StoreAnswer | NoAnswer): boolean {
  if (failure instanceof NoAnswer) return true;
  return failure.status === 429 || (failure.status >= 500 && failure.status !== 501);
}

/** The status that the SDK notes on its errors, also on those about answers that it could not parse. */
function statusOf(error: Error): number | undefined {
  if (!("$metadata" in error) || typeof error.$metadata !== "object" || error.$metadata === null) return undefined;
  if (!("httpStatusCode" in error.$metadata)) return undefined;
  const { httpStatusCode: status } = error.$metadata;
  return typeof status === "number" ? status : undefined;
}

function isCode(text: string): boolean {
  return /^[A-Za-z][A-Za-z0-9_.]{2,63}(?![\s\S])/.test(text);
}
