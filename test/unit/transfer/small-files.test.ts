/** What makes many small files cheap: they are made durable together, and opened once. */
import assert from "node:assert/strict";
import { closeSync, openSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { SMALL_BYTES_MAX, SmallFiles } from "../../../scripts/node/small-files.ts";
import { Syncer } from "../../../scripts/node/syncer.ts";
import { walk } from "../../../scripts/node/walk.ts";
import type { SourceFile } from "../../../shared/transfer/ports.ts";
import { KiB } from "../../../shared/units.ts";
import { plant, randomTensor, tempFolder } from "../../support/trees.ts";

const folder = tempFolder();
after(folder.remove);
const at = (name: string) => join(folder.path, name);

function written(count: number, prefix: string): number[] {
  return Array.from({ length: count }, (_, n) => {
    const fd = openSync(at(`${prefix}${n}`), "w");
    writeSync(fd, "content");
    return fd;
  });
}

/** Seals all of them at once, as a pull that has nothing else to do. */
async function syncAll(fds: readonly number[]): Promise<void> {
  const syncer = new Syncer();
  for (const _ of fds) syncer.begin();
  await Promise.all(
    fds.map(async (fd) => {
      await syncer.sync(fd, "");
      syncer.end();
    }),
  );
}

for (const count of [1, 16, 17, 500]) {
  test(`${count} files at once are all synced, and may be closed then`, async () => {
    const fds = written(count, `a${count}-`);
    await syncAll(fds);
    for (const fd of fds) closeSync(fd);
  });
}

test("where there is no `sync`, files are synced one by one", async () => {
  const path = process.env["PATH"];
  process.env["PATH"] = "/nonexistent";
  try {
    const fds = written(40, "b");
    await syncAll(fds);
    for (const fd of fds) closeSync(fd);
  } finally {
    process.env["PATH"] = path;
  }
});

test("a file does not wait for others that take long: it is synced after a moment", async () => {
  const [fd = -1] = written(1, "c");
  const syncer = new Syncer();
  syncer.begin();
  syncer.begin();
  await syncer.sync(fd, "");
  closeSync(fd);
});

test("others that are given up are not waited for", async () => {
  const [fd = -1] = written(1, "d");
  const syncer = new Syncer();
  for (let n = 0; n < 3; n++) syncer.begin();
  const synced = syncer.sync(fd, "");
  syncer.end();
  syncer.end();
  await synced;
  closeSync(fd);
});

async function listed(files: Record<string, Buffer>): Promise<SourceFile[]> {
  plant(at("source"), files);
  return (await walk({ sources: [at("source")] })).flatMap((entry) => (entry.kind === "file" ? [entry] : []));
}

test("a small file's content is given once, as it was read, even when the file is another by then", async () => {
  const content = randomTensor(1000);
  const [file] = await listed({ "a.bin": content });
  if (file === undefined) throw new Error("one file was expected");
  const small = new SmallFiles();
  assert.equal(small.take(file), null);
  await small.read(file);
  writeFileSync(file.local, randomTensor(1000));
  const kept = small.take(file);
  assert.ok(Buffer.from((await kept?.read(0, 1000)) ?? []).equals(content));
  assert.equal(small.take(file), null);
  await assert.rejects(small.read(file), { code: "FILE_CHANGED" });
});

test("what is kept of small files is bounded: the oldest goes first", async () => {
  const files = await listed(
    Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`f${String(n).padStart(3, "0")}`, randomTensor(100 * KiB)])),
  );
  assert.ok(100 * KiB <= SMALL_BYTES_MAX);
  const small = new SmallFiles();
  for (const file of files) if (file.path !== "a.bin") await small.read(file);
  const kept = files.filter((file) => small.take(file) !== null);
  assert.ok(kept.length > 150 && kept.length < 170, `${kept.length} kept`);
  assert.equal(kept.at(-1)?.path, "f199");
});

test("another file under the same name is not taken for the one that was read", async () => {
  const [file] = await listed({ "a.bin": randomTensor(1000) });
  if (file === undefined) throw new Error("one file was expected");
  const small = new SmallFiles();
  await small.read(file);
  plant(folder.path, { other: randomTensor(1000) });
  renameSync(at("other"), file.local);
  const [again] = await listed({});
  if (again === undefined) throw new Error("one file was expected");
  assert.equal(small.take(again), null);
});
