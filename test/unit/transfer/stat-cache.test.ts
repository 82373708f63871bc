import assert from "node:assert/strict";
import { mkdirSync, readdirSync, renameSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, mock, test } from "node:test";
import { scanFile } from "../../../scripts/node/scan.ts";
import { StatCache } from "../../../scripts/node/stat-cache.ts";
import { walk } from "../../../scripts/node/walk.ts";
import type { LocalChunk, SourceFile } from "../../../shared/transfer/ports.ts";
import { MiB } from "../../../shared/units.ts";
import { plant, randomTensor, safetensors, tempFolder } from "../../support/trees.ts";

const folder = tempFolder();
after(folder.remove);
const source = join(folder.path, "source");
mkdirSync(source);
/** Later, so that files made now count as settled. */
const later = <T>(work: () => T): T => {
  const nowMs = Date.now();
  const clock = mock.method(Date, "now", () => nowMs + 10_000);
  try {
    return work();
  } finally {
    clock.mock.restore();
  }
};

async function listed(): Promise<SourceFile> {
  const [file] = await walk({ sources: [source] });
  if (file === undefined || file.kind !== "file") throw new Error("one file was expected");
  return file;
}

async function scanned(file: SourceFile, md5 = false) {
  const chunks: LocalChunk[] = [];
  const onChunk = async (chunk: LocalChunk) => {
    chunks.push(chunk);
  };
  const result = await scanFile(file, { md5, signal: new AbortController().signal, onChunk });
  return { ...result, chunks };
}

const byDigest = (chunks: LocalChunk[]) => Object.fromEntries(chunks.map((chunk) => [chunk.sha256, chunk]));
const twice = randomTensor(5 * MiB);

test("what is remembered of a file is what a scan finds, and nothing after it changed", async () => {
  const cache = new StatCache(join(folder.path, "cache"));
  const content = { a: twice, b: randomTensor(100), c: twice, d: randomTensor(4 * MiB) };
  plant(source, { "m.safetensors": safetensors(content) });
  const file = await listed();
  const scan = await scanned(file, true);
  assert.equal(cache.find(file, { md5: true }), null);
  later(() => cache.keep(file, scan));
  const found = cache.find(file, { md5: true });
  assert.deepEqual(found?.recipe, scan.recipe);
  assert.equal(found?.sha256, scan.sha256);
  for (const chunk of found?.chunks ?? []) {
    const { ranges: _, ...same } = byDigest(scan.chunks)[chunk.sha256] ?? { ranges: [] };
    const { ranges, ...kept } = chunk;
    assert.deepEqual(kept, same);
    assert.equal(
      ranges.reduce((sum, [, length]) => sum + length, 0),
      chunk.size,
    );
  }
  const { mtime } = { mtime: new Date(Date.now() - 1_000_000) };
  utimesSync(file.local, mtime, mtime);
  assert.equal(cache.find(await listed(), { md5: true }), null);
});

test("a file that was changed just now is not remembered: its time may not change with its next change", async () => {
  const cache = new StatCache(join(folder.path, "fresh"));
  plant(source, { "m.safetensors": safetensors({ a: twice }) });
  const file = await listed();
  cache.keep(file, await scanned(file));
  assert.equal(cache.find(file, { md5: false }), null);
});

test("without md5s in the entry, a push that needs them scans again", async () => {
  const cache = new StatCache(join(folder.path, "md5"));
  plant(source, { "m.safetensors": safetensors({ a: twice }) });
  const file = await listed();
  const scan = await scanned(file);
  later(() => cache.keep(file, scan));
  assert.notEqual(cache.find(file, { md5: false }), null);
  assert.equal(cache.find(file, { md5: true }), null);
});

test("a damaged or foreign entry is no entry", async () => {
  const cache = new StatCache(join(folder.path, "damaged"));
  plant(source, { "m.safetensors": safetensors({ a: twice }) });
  const file = await listed();
  const scan = await scanned(file);
  later(() => cache.keep(file, scan));
  const scans = join(folder.path, "damaged", "scans");
  const [name = ""] = readdirSync(scans);
  for (const text of ["", "{", '{"v":2}', "null"]) {
    writeFileSync(join(scans, name), text);
    assert.equal(cache.find(file, { md5: false }), null);
  }
});

test("another file under the same name is not taken for the old one", async () => {
  const cache = new StatCache(join(folder.path, "renamed"));
  plant(source, { "m.safetensors": safetensors({ a: twice }) });
  const file = await listed();
  const scan = await scanned(file);
  later(() => cache.keep(file, scan));
  plant(folder.path, { other: safetensors({ a: randomTensor(5 * MiB) }) });
  renameSync(join(folder.path, "other"), file.local);
  assert.equal(cache.find(await listed(), { md5: false }), null);
});
