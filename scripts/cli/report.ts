/** What people are told when something fails: what, why, and what next, in two lines; under --json the same as an object. */
import { CommanderError } from "commander";
import { FerryError, problemOf } from "../../shared/errors.ts";
import { isOn } from "./config.ts";
import { type ExitName, exitCode, exitOf, Interrupted } from "./exit.ts";
import type { Host } from "./host.ts";
import { painted, plain, redacted } from "./text.ts";

export type Failure = { code: string; message: string; next: string; exitCode: number; requestId?: string };

/** @param help the command whose help explains a wrong command line: `ferry push --help`. */
export function failureOf(error: unknown, host: Host, help: string): Failure {
  if (host.signal.aborted) return interruption(host.signal.reason, help);
  if (error instanceof Interrupted) return interruption(error, help);
  if (error instanceof CommanderError) return usage(error.message.replace(/^error: /, ""), help);
  if (error instanceof FerryError && error.code === "USAGE_INVALID") return usage(error.message, help);
  if (error instanceof FerryError) return known(error);
  return {
    code: "UNEXPECTED",
    message: `this should not happen: ${problemOf(error)}`,
    next: "Run it again with FERRY_DEBUG=1 and report what it prints.",
    exitCode: exitCode("failed"),
  };
}

function interruption(reason: unknown, help: string): Failure {
  const code = reason instanceof Interrupted ? reason.exitCode : exitCode("interrupted");
  const next = /^ferry (push|pull|watch) /.test(help)
    ? "Run the same command again; it goes on where it stopped."
    : "Run the same command again.";
  return { code: "INTERRUPTED", message: "stopped", next, exitCode: code };
}

function usage(message: string, help: string): Failure {
  return { code: "USAGE_INVALID", message, next: `See \`${help}\`.`, exitCode: exitCode("usage") };
}

function known(error: FerryError): Failure {
  const requestId = error.details["requestId"];
  const exit: ExitName = exitOf(error.code);
  const failure: Failure = { code: error.code, message: error.message, next: error.next, exitCode: exitCode(exit) };
  return typeof requestId === "string" ? { ...failure, requestId } : failure;
}

/** Tells the failure, and returns the exit code. */
export function reportFailure(error: unknown, host: Host, how: { help: string; json: boolean }): number {
  const failure = failureOf(error, host, how.help);
  const request = failure.requestId === undefined || failure.exitCode < 6 ? "" : ` (request ${failure.requestId})`;
  const ferry = painted(host, host.stderr, "red", "ferry:");
  const next = painted(host, host.stderr, "cyan", "next:");
  host.stderr.write(`${ferry} ${line(failure.message + request)}\n${next} ${line(failure.next)}\n`);
  if (isOn(host.env["FERRY_DEBUG"])) host.stderr.write(`${redacted(stackOf(error))}\n`);
  if (how.json) host.stdout.write(`${redacted(JSON.stringify({ error: failure }))}\n`);
  return failure.exitCode;
}

function line(text: string): string {
  return redacted(plain(text));
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `\ncaused by: ${stackOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
