/** One line of `ferry doctor`. */
import { FerryError, problemOf } from "../../shared/errors.ts";
import { type ExitName, exitOf } from "./exit.ts";

export type Finding = {
  check: string;
  state: "ok" | "warn" | "fail";
  detail: string;
  next?: string;
  /** How the program ends when this is the first that failed. */
  exit?: ExitName;
};

export function failedBy(check: string, error: unknown): Finding {
  if (!(error instanceof FerryError)) return { check, state: "fail", detail: problemOf(error), exit: "failed" };
  return { check, state: "fail", detail: error.message, next: error.next, exit: exitOf(error.code) };
}
