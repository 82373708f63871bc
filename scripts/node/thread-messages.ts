/** What the main thread and a data thread say to each other. Both are of one build, so nothing is parsed. */
import { type ErrorCode, type ErrorDetails, FerryError, problemOf } from "../../shared/errors.ts";
import type { LocalChunk, SendTask, SourceFile } from "../../shared/transfer/ports.ts";
import type { CopyTask, DigestTask, FetchTask, FindTask, HoldsTask, JoinTask, LimitTask, MoverSetting } from "./mover.ts";

/**
 * What a data thread is started with. `role` tells it from others that a program may start; `program` is where the code is that it runs
 * apart from (scripts/build.ts).
 */
export type ThreadSetting = { role: "modelferry data thread"; mover: MoverSetting; program: string };

export type Task =
  | { do: "scan"; file: SourceFile; md5: boolean }
  | ({ do: "send" } & SendTask)
  | ({ do: "holds" } & HoldsTask)
  | ({ do: "fetch" } & FetchTask)
  | ({ do: "limit" } & LimitTask)
  | ({ do: "join" } & JoinTask)
  | ({ do: "find" } & FindTask)
  | ({ do: "digest" } & DigestTask)
  | ({ do: "copy" } & CopyTask);

export type ToThread =
  | { kind: "start"; id: number; task: Task }
  /** Of a scan: what was told of is taken, go on. */
  | { kind: "go"; id: number }
  | { kind: "stop"; id: number }
  | { kind: "forget"; part: number };

export type FromThread =
  | { kind: "ready" }
  | { kind: "chunk"; id: number; chunk: LocalChunk }
  /** Bytes that went over the wire since the last time, by task. */
  | { kind: "moved"; bytes: [id: number, bytes: number][] }
  | { kind: "done"; id: number; result: unknown }
  | { kind: "failed"; id: number; error: SentError };

/** An error of another class loses it on the way. */
export type SentError = { code: ErrorCode; details: ErrorDetails } | { message: string };

export function sentError(error: unknown): SentError {
  if (error instanceof FerryError) return { code: error.code, details: error.details };
  return { message: error instanceof Error ? (error.stack ?? error.message) : problemOf(error) };
}

export function receivedError(sent: SentError): Error {
  return "code" in sent ? new FerryError(sent.code, sent.details) : new Error(sent.message);
}
