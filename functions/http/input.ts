/** A request's values, parsed once by the schemas of its route. */
import type * as z from "zod";
import { FerryError } from "../../shared/errors.ts";

/** Of two values for one key one reader takes the first and another the last, so each is given once. */
export function queryOf(url: string): Record<string, string> {
  const values = new Map<string, string>();
  for (const [key, value] of new URL(url).searchParams) {
    if (values.has(key))
      throw new FerryError("REQUEST_INVALID", { problem: `query.${key.slice(0, PROBLEM_LENGTH_MAX)}: it is given twice` });
    values.set(key, value);
  }
  return Object.fromEntries(values);
}

/** Much longer ones only repeat what was sent. */
const PROBLEM_LENGTH_MAX = 300;
/**
 * Stops at the first thing that is wrong: a small body with 100,000 wrong entries would else make more issues than fit into memory.
 * zod knows this flag but does not name it in its types; a test shows that it works.
 */
const FIRST_ISSUE = { abortEarly: true } as z.core.ParseContext<z.core.$ZodIssue>;

/** Throws REQUEST_INVALID naming the first value that is wrong. Without a schema there is nothing to have. */
export function parsed<S extends z.ZodType>(schema: S, value: unknown, where: string): z.output<S>;
export function parsed(schema: z.ZodType | undefined, value: unknown, where: string): unknown;
export function parsed(schema: z.ZodType | undefined, value: unknown, where: string): unknown {
  if (schema === undefined) return undefined;
  const result = schema.safeParse(value, FIRST_ISSUE);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const at = issue === undefined || issue.path.length === 0 ? where : `${where}.${issue.path.join(".")}`;
  throw new FerryError("REQUEST_INVALID", { problem: `${at}: ${issue?.message ?? "not valid"}`.slice(0, PROBLEM_LENGTH_MAX) });
}
