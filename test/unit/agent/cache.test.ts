import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { Cache, type CacheOptions } from "../../../scripts/agent/cache.ts";
import type { Chunk, Filling } from "../../../scripts/agent/filling.ts";
import { jsonLog } from "../../../scripts/agent/log.ts";
import { Scrub } from "../../../scripts/agent/scrub.ts";
import { Digest } from "../../../shared/digest.ts";
import { tempFolder } from "../../support/trees.ts";

const SIZE = 1000;

let folder: { path: string; remove: () => void };
let nowMs = 0;
const open: Cache[] = [];
beforeEach(() => {
  folder = tempFolder();
  // Files have the machine's time, whatever we say.
  nowMs = Date.now();
});
afterEach(() => {
  for (const cache of open.splice(0)) cache.close();
  folder.remove();
});

async function openCache(options: Partial<CacheOptions> = {}, path = join(folder.path, "cache")): Promise<Cache> {
  const cache = await Cache.open(path, {
    maxBytes: 10 * SIZE,
    maxAgeMs: 1e12,
    keepFreeBytes: 0,
    anySystem: false,
    nowMs: () => nowMs,
    ...options,
  });
  open.push(cache);
  return cache;
}

type Made = Chunk & { bytes: Buffer };
function made(size = SIZE): Made {
  const bytes = randomBytes(size);
  return { bytes, size, sha256: Digest.parse(createHash("sha256").update(bytes).digest("hex")) };
}

async function put(cache: Cache, chunk = made()): Promise<Made> {
  const filling = cache.begin(chunk);
  filling.write(chunk.bytes);
  cache.settle(filling, "a test");
  nowMs += 1000;
  return chunk;
}

function contentOf(cache: Cache, chunk: Chunk): string | null {
  const file = cache.read(chunk);
  if (file === null) return null;
  try {
    return createHash("sha256").update(readFileSync(file.fd)).digest("hex");
  } finally {
    file.close();
  }
}

test("a chunk is in the cache when all its bytes are there and right, not before", async () => {
  const cache = await openCache();
  const chunk = made();
  const filling = cache.begin(chunk);
  filling.write(chunk.bytes.subarray(0, 400));
  assert.equal(cache.read(chunk), null);
  filling.write(chunk.bytes.subarray(400));
  assert.equal(cache.read(chunk), null);
  cache.settle(filling, "a test");
  assert.equal(contentOf(cache, chunk), chunk.sha256);
  assert.deepEqual(readdirSync(join(cache.folder.path, "filling")), []);
});

test("a chunk is there before the disk has taken it, and not any more when the disk could not", async () => {
  let answer: (works: boolean) => void = () => {};
  const asked = new Promise<boolean>((resolve) => {
    answer = resolve;
  });
  const sync = async () => {
    if (!(await asked)) throw Object.assign(new Error("i/o error"), { code: "EIO" });
  };
  const cache = await openCache({ sync });
  const chunk = await put(cache);
  assert.equal(contentOf(cache, chunk), chunk.sha256);
  answer(false);
  for (let turn = 0; turn < 1000 && cache.has(chunk); turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(cache.has(chunk), false);
  assert.equal(existsSync(cache.folder.chunkPath(chunk.sha256)), false);
  assert.equal(cache.counts.dropped, 1);
});

test("bytes that are wrong, too many or too few never get a chunk's name", async () => {
  const cache = await openCache();
  const chunk = made();
  const wrong = cache.begin(chunk);
  wrong.write(randomBytes(SIZE));
  assert.throws(() => cache.settle(wrong, "a test"), { code: "DIGEST_INVALID" });
  wrong.restart();
  wrong.write(chunk.bytes.subarray(1));
  assert.throws(() => cache.settle(wrong, "a test"), { code: "SIZE_INVALID" });
  assert.throws(() => wrong.write(chunk.bytes), { code: "SIZE_INVALID" });
  cache.fail(wrong, new Error("over"));
  assert.equal(cache.has(chunk), false);
  assert.deepEqual(readdirSync(join(cache.folder.path, "filling")), []);
});

test("what was used longest ago makes room; what is pinned or being read stays", async () => {
  const cache = await openCache({ maxBytes: 4 * SIZE });
  const [a, b, c, d] = [await put(cache), await put(cache), await put(cache), await put(cache)];
  contentOf(cache, a);
  cache.pin(b.sha256, "warm-up", nowMs + 60_000);
  const reading = cache.read(c);
  await put(cache);
  assert.deepEqual(
    [a, b, c, d].map((chunk) => cache.has(chunk)),
    [true, true, true, false],
  );
  await put(cache);
  assert.deepEqual(
    [a, b, c].map((chunk) => cache.has(chunk)),
    [false, true, true],
  );
  reading?.close();
  cache.unpin("warm-up");
  await put(cache);
  await put(cache);
  assert.equal(cache.counts.bytes, 4 * SIZE);
  assert.equal(cache.counts.evicted, 4);
});

test("when everything is in use there is no room, and that is said", async () => {
  const cache = await openCache({ maxBytes: 2 * SIZE });
  const chunk = await put(cache);
  cache.pin(chunk.sha256, "warm-up", nowMs + 60_000);
  const filling = cache.begin(made());
  assert.throws(() => cache.begin(made()), { code: "AGENT_CACHE_FULL" });
  cache.fail(filling, new Error("over"));
  await put(cache);
});

test("what was not used for the age goes, and pins end", async () => {
  const cache = await openCache({ maxAgeMs: 10_000 });
  const [old, pinned] = [await put(cache), await put(cache)];
  cache.pin(pinned.sha256, "warm-up", nowMs + 15_000);
  nowMs += 11_000;
  const fresh = await put(cache);
  cache.tidy();
  assert.deepEqual(
    [old, pinned, fresh].map((chunk) => cache.has(chunk)),
    [false, true, true],
  );
  nowMs += 5_000;
  cache.tidy();
  assert.equal(cache.has(pinned), false);
});

test("the next agent on the folder finds what is whole, drops what was half done, and believes nothing unseen", async () => {
  const first = await openCache();
  const [whole, cut] = [await put(first), await put(first)];
  first.begin(made()).write(Buffer.alloc(10));
  first.close();
  truncateSync(first.folder.chunkPath(cut.sha256), 10);
  writeFileSync(join(first.folder.path, "chunks", "notes.txt"), "x");
  const second = await openCache();
  assert.deepEqual(readdirSync(join(second.folder.path, "filling")), []);
  assert.deepEqual([second.has(whole), second.has(cut), second.isChecked(whole.sha256)], [true, false, false]);
  assert.equal(await second.check(whole, { again: false }), true);
  assert.equal(second.isChecked(whole.sha256), true);
});

test("the order of use survives a restart", async () => {
  const first = await openCache();
  const [a, b] = [await put(first), await put(first)];
  nowMs += 2 * 3_600_000;
  contentOf(first, a);
  first.close();
  const second = await openCache({ maxBytes: SIZE });
  assert.deepEqual([second.has(a), second.has(b)], [true, false]);
});

test("bits that a disk flips are found: on a reader's word, by the scrub, and never served as checked", async () => {
  const cache = await openCache();
  const lines: string[] = [];
  const scrub = new Scrub(
    cache,
    jsonLog(
      (text) => lines.push(text),
      () => nowMs,
    ),
  );
  const [a, b, good] = [await put(cache), await put(cache), await put(cache)];
  for (const { sha256, bytes } of [a, b]) {
    const path = cache.folder.chunkPath(sha256);
    chmodSync(path, 0o644);
    writeFileSync(path, Buffer.from(bytes.map((byte, at) => (at === 500 ? byte ^ 1 : byte))));
  }
  assert.equal(await cache.check(a, { again: true }), false);
  assert.equal(await scrub.look(b), false);
  assert.equal(await scrub.look(good), true);
  assert.deepEqual([cache.has(a), cache.has(b), cache.has(good)], [false, false, true]);
  assert.equal(existsSync(cache.folder.chunkPath(a.sha256)), false);
  assert.deepEqual([cache.counts.dropped, scrub.counts.wrong, lines.length], [2, 1, 1]);
});

test("a file that somebody removed is no chunk any more", async () => {
  const cache = await openCache();
  const chunk = await put(cache);
  rmSync(cache.folder.chunkPath(chunk.sha256));
  assert.equal(cache.read(chunk), null);
  assert.deepEqual([cache.has(chunk), cache.counts.bytes], [false, 0]);
});

test("a second agent on the same folder is refused, and gets it when the first is gone", async () => {
  const first = await openCache();
  await assert.rejects(openCache(), (error: { code?: string }) => error.code === "AGENT_CACHE_BUSY");
  first.close();
  await openCache();
});

test("a folder that can't be written to, or is a file, is refused by name", {
  skip: process.getuid?.() === 0 ? "root may write everywhere" : false,
}, async () => {
  const path = join(folder.path, "locked");
  mkdirSync(path, { mode: 0o555 });
  await assert.rejects(openCache({}, join(path, "cache")), { code: "AGENT_CACHE_UNFIT" });
});

test("a file in the place of the folder is refused by name", async () => {
  const path = join(folder.path, "file");
  writeFileSync(path, "");
  await assert.rejects(
    openCache({}, path),
    (error: Error & { code?: string }) => error.code === "AGENT_CACHE_UNFIT" && error.message.includes(path),
  );
});

test("a folder on a file system of another machine is refused by its kind, unless it is wanted all the same", async () => {
  for (const [system, said] of [
    [0x6969, "NFS"],
    [0xfe534d42, "SMB"],
    [0x00c36400, "CephFS"],
    [0x65735546, "FUSE"],
  ] as const) {
    const path = join(folder.path, said);
    const problem = { code: "AGENT_CACHE_UNFIT", message: new RegExp(`${path}.*${said}, which is no local disk`) };
    await assert.rejects(openCache({ systemOf: () => system }, path), problem);
    await openCache({ systemOf: () => system, anySystem: true }, path);
  }
  await openCache({ systemOf: () => 0xef53 }, join(folder.path, "local"));
});

test("a reader along gets all but the last byte before the chunk is right, and nothing of bytes that come again", async () => {
  const cache = await openCache();
  const chunk = made();
  const filling: Filling = cache.begin(chunk);
  filling.follow();
  const { round } = filling;
  filling.write(chunk.bytes);
  assert.equal(await filling.beyond(0, round), SIZE - 1);
  const waiting = filling.beyond(SIZE - 1, round);
  filling.restart();
  await assert.rejects(waiting, { code: "TRANSFER_FAILED" });
  const again = filling.beyond(SIZE - 1, filling.round);
  filling.write(chunk.bytes);
  cache.settle(filling, "a test");
  assert.equal(await again, SIZE);
  filling.unfollow();
});
