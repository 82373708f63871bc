/** How the program ends: the exit codes that scripts may rely on, and which error leads to which. */
import { ERRORS, type ErrorCode } from "../../shared/errors.ts";

/** In the order of docs/cli.md, which says the same. */
export const EXITS = [
  { code: 0, name: "ok", meaning: "done" },
  { code: 1, name: "failed", meaning: "failed for a reason that has no code of its own" },
  { code: 2, name: "usage", meaning: "the command line, or a value in it, is wrong" },
  { code: 3, name: "notFound", meaning: "there is no such repository, ref, revision, file, token or store" },
  { code: 4, name: "denied", meaning: "no token, a bad one, or one that may not do this" },
  { code: 5, name: "conflict", meaning: "somebody else was first: the branch moved, the tag or repository exists" },
  { code: 6, name: "unavailable", meaning: "the deployment, a store or the network does not answer; the same command may work later" },
  { code: 7, name: "localFiles", meaning: "a local file can't be read or written, or has a name that can't be stored" },
  { code: 8, name: "integrity", meaning: "bytes are not what their digest says" },
  { code: 130, name: "interrupted", meaning: "stopped by Ctrl-C (143: by SIGTERM)" },
] as const;

export type ExitName = (typeof EXITS)[number]["name"];

export function exitCode(name: ExitName): number {
  return EXITS.find((exit) => exit.name === name)?.code ?? 1;
}

/** Where the HTTP status of the error's row says too little. */
const EXCEPTIONS: Partial<Record<ErrorCode, ExitName>> = {
  ROUTE_UNKNOWN: "failed",
  METHOD_NOT_ALLOWED: "failed",
  UPLOAD_UNKNOWN: "failed",
  CHUNK_UNPROVEN: "failed",
  RECIPE_UNPROVEN: "failed",
  PARTS_MISSING: "unavailable",
  STORE_UNSAFE: "unavailable",
  TRANSFER_REFUSED: "unavailable",
  PATH_UNSAFE: "localFiles",
  FILE_UNREADABLE: "localFiles",
  FILE_UNWRITABLE: "localFiles",
  FILE_CHANGED: "localFiles",
  AGENT_CACHE_UNFIT: "localFiles",
  SIGNATURE_MISSING: "integrity",
  SIGNATURE_INVALID: "integrity",
  DIGEST_INVALID: "integrity",
  SIZE_INVALID: "integrity",
  MANIFEST_INVALID: "integrity",
  RECIPE_INVALID: "integrity",
  LOG_DAMAGED: "integrity",
};

/** The end that an error of the closed table leads to. */
export function exitOf(code: ErrorCode): ExitName {
  const exception = EXCEPTIONS[code];
  if (exception !== undefined) return exception;
  const { status, retryable } = ERRORS[code];
  if (status === 400) return "usage";
  if (status === 401 || status === 403) return "denied";
  if (status === 404 || status === 410) return "notFound";
  if (status === 409) return "conflict";
  return retryable ? "unavailable" : "failed";
}

/** The reason of the host's signal: Ctrl-C, or the system asking for an end. */
export class Interrupted extends Error {
  readonly by: "SIGINT" | "SIGTERM";

  constructor(by: "SIGINT" | "SIGTERM") {
    super("interrupted");
    this.name = "Interrupted";
    this.by = by;
  }

  /** 128 and the number of the signal, as shells have it. */
  get exitCode(): number {
    return this.by === "SIGINT" ? exitCode("interrupted") : 143;
  }
}
