/** Flags that choose revisions: of `ferry log` and `ferry search`. */
import type { Command } from "commander";
import * as z from "zod";
import { SinceValue } from "./values.ts";

/** `key=value`, or a key; as the server has it, `key:value`. */
const LabelFilter = z.string().transform((text, context): string => {
  const at = text.indexOf("=");
  const key = at < 0 ? text : text.slice(0, at);
  if (key === "" || key.includes(":")) context.addIssue(`'${text}' is not key=value, or a key without ':'`);
  return at < 0 ? key : `${key}:${text.slice(at + 1)}`;
});

export const criteria = {
  author: z.string().min(1).optional(),
  label: LabelFilter.optional(),
  metric: z.string().min(1).optional(),
  since: SinceValue.optional(),
  until: SinceValue.optional(),
  text: z.string().min(1).optional(),
};
export type Criteria = z.infer<z.ZodObject<typeof criteria>>;

export function addCriteria(command: Command): Command {
  return command
    .option("--author <name>", "only by this author")
    .option("--label <key=value>", "only with this label; a key alone: with any value")
    .option("--metric <key>", "only with this metric")
    .option("--since <time>", "not older: 7d (ago), 2026-11-24 (its start, UTC), or 2026-11-24T10:05:12Z")
    .option("--until <time>", "not newer")
    .option("--text <text>", "only with this in the message, the author, the branch, a label or the source");
}

/** As in a query string. */
export function criteriaQuery({ author, label, metric, since, until, text }: Criteria, nowMs: number): Record<string, string> {
  const query = { author, label, metric, since: since?.(nowMs), until: until?.(nowMs), text };
  return Object.fromEntries(Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined));
}

export function hasCriteria({ author, label, metric, since, until, text }: Criteria): boolean {
  return [author, label, metric, since, until, text].some((value) => value !== undefined);
}
