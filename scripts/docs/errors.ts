/** The table of errors as a table to read: code, status, sentence, what next, how `ferry` ends. */
import { ERRORS, type ErrorCode } from "../../shared/errors.ts";
import { exitCode, exitOf } from "../cli/exit.ts";
import { row, table } from "./table.ts";

export function errorsText(): string {
  const rows = (Object.keys(ERRORS) as ErrorCode[]).map((code) => {
    const { status, retryable, message, next } = ERRORS[code];
    return row([`\`${code}\``, `${status}`, retryable ? "yes" : "", `${exitCode(exitOf(code))}`, message, next]);
  });
  return table(["code", "status", "again", "exit", "what is told", "what to do"], rows);
}
