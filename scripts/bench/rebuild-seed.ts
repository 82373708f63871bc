/**
 * A bucket's records and envelopes as files, without the chunks and recipes that they name: spelled here once more, for what a bucket
 * holds is a format of its own.
 */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { canonical, type Json } from "../../shared/canonical.ts";
import { isoTime } from "../../shared/time.ts";
import { MiB } from "../../shared/units.ts";
import type { Adopted } from "./s3/server.ts";

/** `chunks`: of each revision, all its own. */
export type SeedOptions = { folder: string; repositories: number; revisions: number; chunks: number };

const BEGAN_MS = Date.UTC(2026, 0, 1);
const CHUNK_BYTES = 16 * MiB;

export function seedFiles(options: SeedOptions): Adopted[] {
  mkdirSync(options.folder, { recursive: true });
  const files: Adopted[] = [];
  const write = (key: string, value: Json): string => {
    const text = canonical(value);
    const path = join(options.folder, String(files.length));
    writeFileSync(path, text);
    files.push({ key, path, sizeBytes: Buffer.byteLength(text), md5: createHash("md5").update(text).digest("hex") });
    return sha256(text);
  };
  let prev: string | null = null;
  for (let repository = 1; repository <= options.repositories; repository++) {
    const name = `bench/model-${repository}`;
    const created = { op: "repository.create", repositoryId: idOf(repository), repository: name };
    prev = write(`sys/log/${seq12(repository)}.json`, { ...created, ...link(repository, prev, `create ${repository}`) });
    writeLog(write, repository, options);
  }
  return files;
}

function writeLog(write: (key: string, value: Json) => string, repository: number, { repositories, revisions, chunks }: SeedOptions): void {
  const repositoryId = idOf(repository);
  let prev: string | null = null;
  let parent: string | null = null;
  for (let seq = 1; seq <= Math.floor(revisions / repositories); seq++) {
    const seed = `${repository} ${seq}`;
    const sizeBytes = chunks * CHUNK_BYTES;
    const file = {
      path: "model.safetensors",
      mode: "file",
      size: sizeBytes,
      sha256: sha256(`file ${seed}`),
      recipe: sha256(`recipe ${seed}`),
    };
    const manifest = { v: 1, files: [file] };
    const placement = Array.from({ length: chunks }, (_, at): [string, number, string] => [
      sha256(`chunk ${seed} ${at}`),
      CHUNK_BYTES,
      `0${sha256(`tag ${seed} ${at}`).slice(0, 15)}`,
    ]).sort(([a], [b]) => (a < b ? -1 : 1));
    const names = { manifest: sha256(canonical(manifest)), attempt: sha256(`attempt ${seed}`).slice(0, 16) };
    write(`manifests/${names.manifest}.${names.attempt}.json`, { v: 1, repositoryId, manifest, placement });
    const revision = sha256(`revision ${seed}`).slice(0, 40);
    const counts = { fileCount: 1, sizeBytes, chunkCount: chunks, newBytes: sizeBytes, newChunks: chunks };
    const words = { message: `step ${seq}`, labels: { stage: "bench" }, metrics: { loss: "0.5" }, source: { host: "bench" }, origin: null };
    const commit = { op: "commit", repositoryId, branch: "main", revision, parent, ...names, ...counts, ...words };
    prev = write(`repositories/${repositoryId}/log/${seq12(seq)}.json`, { ...commit, ...link(seq, prev, `commit ${seed}`) });
    parent = revision;
  }
}

function link(seq: number, prev: string | null, operation: string) {
  return { v: 1, seq, prev, operationId: sha256(operation).slice(0, 32), at: isoTime(BEGAN_MS + seq * 1000), actor: "bench" };
}

function idOf(repository: number): string {
  return sha256(`repository ${repository}`).slice(0, 16);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function seq12(seq: number): string {
  return String(seq).padStart(12, "0");
}
