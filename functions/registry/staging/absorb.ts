/**
 * Makes chunks of a file's bytes, as a push of our own client would: cut by ta1, reserved, written with the check that the store makes,
 * confirmed. Of a file that turns out not to be what its uploader called it nothing is kept that anybody could name.
 */

import type { PlannedChunk } from "../../../shared/chunking/group.ts";
import { planChunks } from "../../../shared/chunking/plan.ts";
import { recipeOf } from "../../../shared/chunking/recipe-of.ts";
import { type ByteSource, READ_BYTES_MAX, readExactly } from "../../../shared/chunking/source.ts";
import type { RepositorySummary } from "../../../shared/contract/repositories.ts";
import { CONFIRM_PAGE_MAX, RESERVE_PAGE_MAX } from "../../../shared/contract/uploads.ts";
import type { Digest } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { encodeRecipe, recipeDigest } from "../../../shared/recipe.ts";
import { pooled } from "../pool.ts";
import type { Caller, Ports } from "../ports.ts";
import { writeMode } from "../replicate/tasks.ts";
import { confirmChunks, reserveChunks, sendRecipes } from "../upload.ts";
import { digestsOf } from "./digests.ts";

const WRITES_AT_ONCE = 3;
const TRIES = 3;

/** `open`: a reader of its own for each that reads at once. `upload`: whose proofs the chunks become. */
export type Absorbing = {
  upload: string;
  attempt: number;
  sha256: Digest;
  sizeBytes: number;
  open(): ByteSource & { close?(): void };
};
/** As a manifest names the file. */
export type Absorbed = { sha256: Digest; size: number; chunk?: Digest; recipe?: Digest; chunks: { sha256: Digest; size: number }[] };

type Work = { ports: Ports; caller: Caller; repository: RepositorySummary; absorbing: Absorbing };
type Planned = { sha256: Digest; plan: PlannedChunk };

/** Throws DIGEST_INVALID when the bytes are not what they are called, QUOTA_EXCEEDED, STORAGE_UNAVAILABLE. */
export async function absorbFile(ports: Ports, caller: Caller, repository: RepositorySummary, absorbing: Absorbing): Promise<Absorbed> {
  const { sha256, sizeBytes: size, upload } = absorbing;
  if (size === 0) return { sha256, size, chunks: [] };
  const work = { ports, caller, repository, absorbing };
  const { plan, digests } = await withSource(work, async (source) => {
    const made = await planChunks(source);
    const { file, chunks } = await digestsOf(ports.hasher, source, made.chunks);
    if (file !== sha256) throw new FerryError("DIGEST_INVALID", { what: "the uploaded file", expected: sha256 });
    return { plan: made, digests: chunks };
  });
  const planned = new Map<Digest, Planned>();
  plan.chunks.forEach((chunk, at) => {
    const digest = digests[at];
    if (digest !== undefined) planned.set(digest, { sha256: digest, plan: chunk });
  });
  await store(work, [...planned.values()]);
  const chunks = [...planned.values()].map((one) => ({ sha256: one.sha256, size: one.plan.sizeBytes }));
  if (plan.chunks.length === 1) return { sha256, size, chunk: sha256, chunks };
  const recipe = recipeOf(plan, digests, sha256);
  await sendRecipes(ports, caller, repository, upload, [recipe]);
  return { sha256, size, recipe: await recipeDigest(encodeRecipe(recipe)), chunks };
}

async function store(work: Work, chunks: readonly Planned[]): Promise<void> {
  const { ports, caller, repository, absorbing } = work;
  const { upload, attempt } = absorbing;
  for (let at = 0; at < chunks.length; at += RESERVE_PAGE_MAX) {
    const page = chunks.slice(at, at + RESERVE_PAGE_MAX);
    const claims = page.map(({ sha256, plan }) => ({ sha256, size: plan.sizeBytes }));
    const { tickets } = await reserveChunks(ports, caller, repository, upload, { attempt, chunks: claims });
    const wanted = (tickets?.items ?? []).map(({ sha256, path }) => ({ sha256, tag: path.slice(path.indexOf("~") + 1) }));
    const plans = new Map(page.map(({ sha256, plan }) => [sha256, plan]));
    await pooled(wanted, WRITES_AT_ONCE, ({ sha256, tag }) => write(work, { sha256, tag, plan: plans.get(sha256) }));
    for (let from = 0; from < wanted.length; from += CONFIRM_PAGE_MAX) {
      const part = wanted.slice(from, from + CONFIRM_PAGE_MAX).map(({ sha256 }) => ({ sha256, size: plans.get(sha256)?.sizeBytes ?? 0 }));
      const { missing } = await confirmChunks(ports, caller, repository, upload, { attempt, chunks: part });
      if (missing.length > 0)
        throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: `${missing.length} chunks are not there` });
    }
  }
}

async function write(work: Work, { sha256, tag, plan }: { sha256: Digest; tag: string; plan: PlannedChunk | undefined }): Promise<void> {
  if (plan === undefined) return;
  const { home } = work.ports.stores;
  const mode = await writeMode(home);
  const place = { sha256, size: plan.sizeBytes, tag };
  for (let count = 1; ; count++) {
    try {
      const written = await withSource(work, (source) => home.chunks.write(mode, place, streamOf(source, plan)));
      const isRight = written !== "refused" && (mode !== "unchecked" || (await home.chunks.content(place))?.sha256 === sha256);
      // The uploader's URLs still write: the bytes may be others than those that were hashed.
      if (!isRight) throw new FerryError("DIGEST_INVALID", { what: "a part of the uploaded file", expected: sha256 });
      return;
    } catch (error) {
      if (count >= TRIES || !(error instanceof FerryError) || !error.retryable) throw error;
    }
  }
}

async function withSource<T>({ absorbing }: Work, act: (source: ByteSource) => Promise<T>): Promise<T> {
  const source = absorbing.open();
  try {
    return await act(source);
  } finally {
    source.close?.();
  }
}

function streamOf(source: ByteSource, { ranges }: PlannedChunk): ReadableStream<Uint8Array> {
  const parts = blocksOf(ranges);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { value, done } = parts.next();
        if (done) return controller.close();
        controller.enqueue(await readExactly(source, value.offset, value.length));
      },
    },
    { highWaterMark: 0 },
  );
}

function* blocksOf(ranges: PlannedChunk["ranges"]): Generator<{ offset: number; length: number }, undefined> {
  for (const [offset, length] of ranges)
    for (let at = 0; at < length; at += READ_BYTES_MAX) yield { offset: offset + at, length: Math.min(READ_BYTES_MAX, length - at) };
}
