/** The second phase: every living revision, and what it names. The last one: whose files the bad chunks were found to be. */
import type { Affected, BadChunk, FsckRun } from "../../../shared/contract/fsck.ts";
import type { RepositorySummary } from "../../../shared/contract/repositories.ts";
import { type Digest, toHex } from "../../../shared/digest.ts";
import { contentEntries } from "../../../shared/manifest.ts";
import { findRecipe } from "../envelopes.ts";
import { envelopeKey } from "../layout.ts";
import { pooled, STORE_WIDTH } from "../pool.ts";
import type { Ports, RevisionEntry } from "../ports.ts";
import { decodeRecord, Envelope } from "../records.ts";
import { walkRevisions } from "../recovery/walk.ts";
import { ALL_FILES, type Examination, examine, Recipes } from "./envelope.ts";
import { type News, withBad, withFindings } from "./findings.ts";
import { NamedChunks } from "./named.ts";

/** Rows of 44 bytes that a step may hold. */
const NAMED_MAX = 500_000;

export async function revisionsStep(ports: Ports, state: FsckRun, deadlineMs: number): Promise<FsckRun> {
  let run = state;
  const named = new NamedChunks();
  const examination: Examination = { ports, recipes: new Recipes(), verifyClaimed: state.verifyClaimed };
  const isEnough = () => named.count >= NAMED_MAX || ports.clock.now() >= deadlineMs;
  const cursor = await walkRevisions(ports, run.cursor, isEnough, {
    async revisions(repository, revisions) {
      for (const examined of await pooled(revisions, STORE_WIDTH, (entry) => examine(examination, repository, entry))) {
        for (const [sha256, size, tag] of examined.placement) named.add(sha256, tag, size);
        run = withBad(withFindings({ ...run, claimed: run.claimed + examined.claimed }, examined.news), examined.bad);
      }
      run = { ...run, revisions: run.revisions + revisions.length };
    },
    damaged(repository, problem) {
      run = withFindings(run, [{ kind: "log.damaged", what: repository.id, detail: problem }]);
    },
  });
  await named.write(ports.stores.home.bucket, run.run, toHex(ports.random.bytes(8)));
  run = { ...run, named: run.named + named.count, recipes: run.recipes + examination.recipes.count };
  return cursor === null ? { ...run, phase: "chunks", cursor: null } : { ...run, cursor };
}

/** Turns the chunks that were found bad into findings, with the files that need them. One that nobody names any more is none. */
export async function blameStep(ports: Ports, state: FsckRun, deadlineMs: number): Promise<FsckRun> {
  let run = state;
  const bad = new Map(state.bad.map((chunk) => [nameOf(chunk), chunk]));
  const needed = new Set<string>();
  const isEnough = () => ports.clock.now() >= deadlineMs;
  const cursor = await walkRevisions(ports, state.cursor, isEnough, {
    async revisions(repository, revisions) {
      for (const named of await pooled(revisions, STORE_WIDTH, (entry) => blame(ports, repository, entry, bad))) {
        for (const { chunk } of named) needed.add(nameOf(chunk));
        run = withFindings(
          run,
          named.map(({ news }) => news),
        );
      }
    },
    damaged() {},
  });
  return { ...run, cursor, bad: state.bad.map((chunk) => ({ ...chunk, needed: chunk.needed || needed.has(nameOf(chunk)) })) };
}

function nameOf({ sha256, tag }: { sha256: Digest; tag: string }): string {
  return `${sha256}~${tag}`;
}

type Blamed = { chunk: BadChunk; news: News };

async function blame(
  ports: Ports,
  { repository }: RepositorySummary,
  { manifest, attempt, revision }: RevisionEntry,
  bad: ReadonlyMap<string, BadChunk>,
): Promise<Blamed[]> {
  const key = envelopeKey(manifest, attempt);
  const bytes = await ports.stores.home.bucket.get(key);
  const envelope = bytes === null ? null : safely(() => decodeRecord(Envelope, bytes, key));
  const named = new Map<Digest, BadChunk>();
  for (const [sha256, , tag] of envelope?.placement ?? []) {
    const chunk = bad.get(nameOf({ sha256, tag }));
    if (chunk !== undefined) named.set(sha256, chunk);
  }
  if (envelope === null || named.size === 0) return [];
  const files = await filesOf(ports, envelope, named);
  return [...named.values()].map((chunk): Blamed => {
    const { sha256, kind, detail } = chunk;
    const paths = files.get(sha256) ?? [ALL_FILES];
    return { chunk, news: { kind, what: sha256, detail, affected: paths.map((path): Affected => ({ repository, revision, path })) } };
  });
}

/** Paths of the files that need each of these chunks. A recipe that can't be read was told of before. */
async function filesOf(ports: Ports, { manifest }: Envelope, named: ReadonlyMap<Digest, BadChunk>): Promise<Map<Digest, string[]>> {
  const files = new Map<Digest, string[]>();
  for (const { path, chunk, recipe } of contentEntries(manifest)) {
    const needed =
      recipe === undefined ? [] : ((await findRecipe(ports, recipe).catch(() => null))?.chunks.map(([sha256]) => sha256) ?? []);
    for (const sha256 of chunk === undefined ? needed : [chunk]) {
      if (named.has(sha256)) files.set(sha256, [...(files.get(sha256) ?? []), path]);
    }
  }
  return files;
}

function safely<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
