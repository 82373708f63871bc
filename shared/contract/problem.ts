/** What every route has in common: how a refusal looks, and how a repository stands in a path. */
import * as z from "zod";
import type { RepositoryName } from "../names.ts";

/** Problem details (RFC 9457) with a code of shared/errors.ts. */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  next: z.string(),
  requestId: z.string(),
  details: z.record(z.string(), z.unknown()),
});
export type Problem = z.infer<typeof Problem>;

export function repositoryParams(repository: RepositoryName): { namespace: string; name: string } {
  const [namespace = "", name = ""] = repository.split("/");
  return { namespace, name };
}
