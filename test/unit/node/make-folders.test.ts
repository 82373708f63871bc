import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { makeFolders } from "../../../scripts/node/make-folders.ts";
import { tempFolder } from "../../support/trees.ts";

test("makes what is missing, tells whether that was anything, and leaves what is there", () => {
  const folder = tempFolder();
  assert.equal(makeFolders(join(folder.path, "a/b/c")), true);
  assert.equal(makeFolders(join(folder.path, "a/b/c")), false);
  mkdirSync(join(folder.path, "a/d"));
  assert.equal(makeFolders(join(folder.path, "a/d")), false);
  folder.remove();
});

test("ends with the file system's own words where nothing can be made", { skip: existsSync("/proc/self") ? false : "no /proc" }, () => {
  const folder = tempFolder();
  writeFileSync(join(folder.path, "file"), "");
  for (const [path, code] of [
    ["/proc/ferry-none/below", "ENOENT"],
    [join(folder.path, "file/below"), "EEXIST"],
  ] as const) {
    assert.throws(() => makeFolders(path), { code });
  }
  folder.remove();
});
