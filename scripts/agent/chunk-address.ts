/** How a chunk is named at an agent's door: everything in the address, since that is all that a transport carries. */
import * as z from "zod";
import { Digest } from "../../shared/digest.ts";
import { RepositoryName, RevisionId } from "../../shared/names.ts";
import type { Wanted } from "./origin.ts";

export const CHUNKS_PATH = "/v1/chunks/";

const Named = z.object({
  sha256: Digest,
  size: z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number),
  repository: RepositoryName,
  revision: RevisionId,
  ticket: z.string().min(1).max(200),
  /** `path`: answer where the chunk's file is, once it is here. `progress`: how much of it is here now. */
  as: z.enum(["content", "path", "progress"]).default("content"),
  /** `self`: the reader hashes what it gets, so it may have bytes of a chunk that is still coming. */
  checks: z.enum(["self", "agent"]).default("agent"),
  /** The agent that asks: others may be sent to it. Empty: a pod. */
  from: z.string().max(128).default(""),
  /** With `path`: seconds after which the answer is how far it is, when it is not here yet. 0: the answer comes when it is. */
  wait: z
    .string()
    .regex(/^\d{1,2}$/)
    .transform(Number)
    .default(0),
  /** `here`: only when its bytes are here, or coming. */
  only: z.enum(["here", "any"]).default("any"),
});

export type ChunkQuestion = z.infer<typeof Named>;

type Manner = Partial<Pick<ChunkQuestion, "as" | "from" | "only">> & { wait?: string };

/** For who hashes what it gets. @param base such as `http://10.0.0.1:7077`. */
export function chunkAddress(base: string, { sha256, size, repository, revision }: Wanted, ticket: string, manner: Manner = {}): string {
  const asked = { size: String(size), repository, revision, ticket, checks: "self", ...manner };
  return `${base}${CHUNKS_PATH}${sha256}?${new URLSearchParams(asked)}`;
}

/** Null: it is no chunk's address. */
export function parseChunkAddress(url: URL): ChunkQuestion | null {
  if (!url.pathname.startsWith(CHUNKS_PATH)) return null;
  const asked = Named.safeParse({ sha256: url.pathname.slice(CHUNKS_PATH.length), ...Object.fromEntries(url.searchParams) });
  return asked.success ? asked.data : null;
}
