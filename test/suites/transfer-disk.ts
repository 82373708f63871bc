/** What push and pull promise about disks: see transfer.ts. */
import assert from "node:assert/strict";
import {
  appendFileSync,
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { FerryError } from "../../shared/errors.ts";
import type { TransferProgress } from "../../shared/transfer/contract.ts";
import { MiB } from "../../shared/units.ts";
import { REPOSITORY } from "../support/fake-registry.ts";
import type { Check } from "../support/transfer-bench.ts";
import { plant, randomTensor, snapshot } from "../support/trees.ts";

export function diskSuite(check: Check): void {
  const unsafe: [string, (source: string) => void, string][] = [
    ["a name with a backslash", (source) => plant(source, { "a\\b": "x" }), "PATH_UNSAFE"],
    ["two names that differ only in case", (source) => plant(source, { "A.bin": "x", "a.bin": "y" }), "PATH_UNSAFE"],
    ["a link that leaves the tree", (source) => plant(source, { "sub/out": { link: "../../x" } }), "PATH_UNSAFE"],
    ["an absolute link", (source) => plant(source, { out: { link: "/etc/hosts" } }), "PATH_UNSAFE"],
    [
      "a name that is not UTF-8",
      (source) => writeFileSync(Buffer.concat([Buffer.from(`${source}/`), Buffer.from([0xff, 0x41])]), "x"),
      "PATH_UNSAFE",
    ],
    ["nothing at all", () => {}, "USAGE_INVALID"],
  ];
  for (const [what, make, code] of unsafe) {
    check(`${what} is refused before anything is sent`, async (bench) => {
      make(bench.source);
      await assert.rejects(bench.push(), { code });
      assert.deepEqual(bench.registry.counts, {});
    });
  }

  check("`.git` and what a pull left behind are not pushed", async (bench) => {
    plant(bench.source, {
      ".git/config": "x",
      ".ferry-0123456789abcdef-3.part": "x",
      ".ferry-0123456789abcdef.journal": "x",
      "a.bin": "a",
    });
    await bench.push();
    await bench.pull();
    assert.deepEqual(Object.keys(snapshot(bench.destination)), ["a.bin"]);
  });

  check("a file that changes while it is sent is an error that names it", async (bench) => {
    plant(bench.source, { "a.bin": randomTensor(4 * MiB) });
    bench.registry.options.fault = () => {
      writeFileSync(join(bench.source, "a.bin"), randomTensor(4 * MiB));
      return { kind: "status", status: 503 };
    };
    await assert.rejects(bench.push(), { code: "FILE_CHANGED", details: { path: "a.bin" } });
    assert.equal(bench.registry.revisions(REPOSITORY).length, 0);
  });

  check("a file that can't be read is an error that names it", async (bench) => {
    plant(bench.source, { "a.bin": "a", "gone.bin": "b" });
    renameSync(join(bench.source, "gone.bin"), join(bench.source, "..", "gone.bin"));
    await assert.rejects(bench.push({ sources: [join(bench.source, "gone.bin")] }), { code: "FILE_UNREADABLE" });
  });

  const spoilt: [string, (file: string) => void, string][] = [
    ["vanishes", (file) => rmSync(file), "FILE_UNREADABLE"],
    ["becomes shorter", (file) => truncateSync(file, 100), "FILE_CHANGED"],
    ["becomes longer", (file) => appendFileSync(file, "more"), "FILE_CHANGED"],
    ["is replaced by a link", (file) => replaced(file, () => symlinkSync("/etc/hosts", file)), "FILE_UNREADABLE"],
    ["is replaced by a folder", (file) => replaced(file, () => mkdirSync(file)), "FILE_CHANGED"],
  ];
  for (const [what, spoil, code] of spoilt) {
    for (const [size, bytes] of [
      ["small", 1000],
      ["large", 5 * MiB],
    ] as const) {
      check(`a ${size} file that ${what} after it was listed is an error that names it, and nothing is committed`, async (bench) => {
        plant(bench.source, { "a.bin": randomTensor(bytes), "b.bin": "b" });
        const onProgress = ({ phase }: TransferProgress) => {
          if (phase === "moving" && lstatSync(join(bench.source, "a.bin"), { throwIfNoEntry: false })?.size === bytes) {
            spoil(join(bench.source, "a.bin"));
          }
        };
        await assert.rejects(
          bench.push({}, {}, { onProgress }),
          (error: FerryError) => error.code === code && error.details["path"] === "a.bin",
        );
        assert.equal(bench.registry.revisions(REPOSITORY).length, 0);
      });
    }
  }

  check("a link planted where a folder should be is refused, and nothing is written through it", async (bench) => {
    plant(bench.source, { "sub/a.bin": "a" });
    await bench.push();
    mkdirSync(bench.destination);
    const outside = join(bench.destination, "..", "outside");
    mkdirSync(outside);
    symlinkSync(outside, join(bench.destination, "sub"));
    await assert.rejects(bench.pull(), { code: "FILE_UNWRITABLE" });
    assert.deepEqual(readdirSync(outside), []);
  });

  check("a link planted where a file should be is replaced, not followed", async (bench) => {
    plant(bench.source, { "a.bin": "new" });
    await bench.push();
    mkdirSync(bench.destination);
    const outside = join(bench.destination, "..", "outside.bin");
    writeFileSync(outside, "old");
    symlinkSync(outside, join(bench.destination, "a.bin"));
    await bench.pull();
    assert.equal(readFileSync(outside, "utf8"), "old");
    assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
  });

  check("a file with a second name is replaced: the other name keeps its content", async (bench) => {
    plant(bench.source, { "a.bin": "new" });
    await bench.push();
    mkdirSync(bench.destination);
    const outside = join(bench.destination, "..", "outside.bin");
    writeFileSync(outside, "old");
    linkSync(outside, join(bench.destination, "a.bin"));
    await bench.pull();
    assert.equal(readFileSync(outside, "utf8"), "old");
  });

  check("a folder where a file should be is an error that names it", async (bench) => {
    plant(bench.source, { "a.bin": "a" });
    await bench.push();
    plant(bench.destination, { "a.bin/inner": "x" });
    await assert.rejects(bench.pull(), { code: "FILE_UNWRITABLE", details: { path: "a.bin", problem: "a folder is there" } });
  });

  check("executable bits follow the revision, also of files that are kept", async (bench) => {
    plant(bench.source, { "a.sh": { executable: "x" }, "b.txt": "y" });
    await bench.push();
    await bench.pull();
    chmodSync(join(bench.destination, "a.sh"), 0o644);
    chmodSync(join(bench.destination, "b.txt"), 0o755);
    await bench.pull();
    assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
  });
}

function replaced(file: string, make: () => void): void {
  rmSync(file);
  make();
}
