/** What is pending at the S3 door: kept through restarts, counted once, and never taken by a commit that did not see it. */
import assert from "node:assert/strict";
import { appendFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PendingBranches } from "../../../scripts/agent/s3-pending.ts";
import { append, Spool } from "../../../scripts/agent/s3-spool.ts";
import { sha256 } from "../../../shared/digest.ts";
import { RefName, RepositoryName } from "../../../shared/names.ts";
import { tempFolder } from "../../support/trees.ts";

const repository = RepositoryName.parse("team/model");
const branch = RefName.parse("main");

class Stand {
  readonly path: string;
  readonly spool: Spool;
  readonly pending: PendingBranches;

  private constructor(path: string, spool: Spool) {
    this.path = path;
    this.spool = spool;
    this.pending = new PendingBranches(spool);
  }

  static async open(path: string): Promise<Stand> {
    return new Stand(path, await Spool.open(path, 1000));
  }

  get branch() {
    return this.pending.open(repository, branch, 1);
  }

  async put(path: string, text: string): Promise<void> {
    const bytes = Buffer.from(text);
    this.spool.take(bytes.length);
    const file = await this.spool.begin();
    await append(file, bytes);
    const object = this.spool.newName();
    await this.branch.put(file, { kind: "put", path, object, size: bytes.length, sha256: await sha256(bytes), atMs: 1 });
  }

  paths(): string[] {
    return [...(this.pending.find(repository, branch)?.changes.keys() ?? [])].sort();
  }

  /** As a process that ended without a word, and the next one on the same folder. */
  async again(): Promise<Stand> {
    this.close();
    // Its lock is let go a turn later.
    for (let turn = 0; turn < 3; turn++) await new Promise((wake) => setImmediate(wake));
    return Stand.open(this.path);
  }

  /** Or the next folder, which may get the same inode, is still this one's. */
  close(): void {
    this.pending.close();
    this.spool.close();
  }

  files(): number {
    return readdirSync(join(this.path, "branches"), { recursive: true, withFileTypes: true }).filter(
      (entry) => entry.isFile() && entry.name !== "journal",
    ).length;
  }
}

test("a file that is acknowledged while a commit runs is not taken by it, here and after a restart", async (t) => {
  const folder = tempFolder();
  let stand = await Stand.open(join(folder.path, "s3"));
  t.after(() => {
    stand.close();
    folder.remove();
  });
  await stand.put("seen", "1");
  const coming = stand.put("coming", "22");
  // It has its number by now, and no line in the journal yet.
  while (readdirSync(join(folder.path, "s3", "coming")).length > 0) await new Promise((wake) => setImmediate(wake));
  const held = stand.branch.hold();
  await coming;
  await stand.put("later", "333");
  await stand.branch.committed(held.changes);
  held.release();
  const left = ["coming", "later", "seen"].filter((path) => !held.changes.some((change) => change.path === path));
  assert.deepEqual(stand.paths(), left);
  stand = await stand.again();
  assert.deepEqual(stand.paths(), left);
  assert.equal(stand.files(), left.length);
});

test("room is counted once: for what is overwritten, removed, committed, thrown away, and found again", async (t) => {
  const folder = tempFolder();
  let stand = await Stand.open(join(folder.path, "s3"));
  t.after(() => {
    stand.close();
    folder.remove();
  });
  await stand.put("a", "x".repeat(100));
  await stand.put("a", "y".repeat(10));
  await stand.put("b", "z".repeat(20));
  await stand.put("c", "w".repeat(30));
  await stand.branch.remove("b", false, 2);
  await stand.branch.remove("of the head", true, 2);
  assert.equal(stand.spool.usedBytes, 40);
  stand = await stand.again();
  assert.deepEqual([stand.spool.usedBytes, stand.paths(), stand.files()], [40, ["a", "c", "of the head"], 2]);
  const held = stand.branch.hold();
  await stand.put("a", "v".repeat(7));
  assert.equal(stand.files(), 3, "what a commit reads stays");
  await stand.branch.committed(held.changes);
  held.release();
  assert.deepEqual([stand.spool.usedBytes, stand.paths(), stand.files()], [7, ["a"], 1]);
  stand = await stand.again();
  assert.deepEqual([stand.spool.usedBytes, stand.paths(), stand.files()], [7, ["a"], 1]);
  await stand.branch.clear();
  assert.deepEqual([stand.spool.usedBytes, stand.paths(), stand.files()], [0, [], 0]);
  stand = await stand.again();
  assert.deepEqual([stand.spool.usedBytes, stand.paths()], [0, []]);
  assert.throws(() => stand.spool.take(1001), /may take 1000 bytes/);
});

test("of a line that a crash cut off nobody was told: what stands before it counts, and what follows is kept", async (t) => {
  const folder = tempFolder();
  let stand = await Stand.open(join(folder.path, "s3"));
  t.after(() => {
    stand.close();
    folder.remove();
  });
  await stand.put("a", "1");
  const [id = ""] = readdirSync(join(stand.path, "branches"));
  appendFileSync(join(stand.path, "branches", id, "journal"), '{"kind":"put","path":"torn"');
  stand = await stand.again();
  assert.deepEqual(stand.paths(), ["a"]);
  await stand.put("b", "2");
  stand = await stand.again();
  assert.deepEqual(stand.paths(), ["a", "b"]);
});
