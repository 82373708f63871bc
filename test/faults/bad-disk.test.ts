/** Disks that fail: a file system whose medium lost its end, or takes no more than so much. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { FerryError } from "../../shared/errors.ts";
import { MiB } from "../../shared/units.ts";
import { REPOSITORY } from "../support/fake-registry.ts";
import { withBench } from "../support/transfer-bench.ts";
import { plant, randomTensor, snapshot } from "../support/trees.ts";

/** Where the file system is mounted, and the file that is its medium. */
type BadDisk = { mounted: string; medium: string; remount: (how?: string) => void; repair: () => void };

/** An ext4 on a medium that can hold `mediumMiB` of the 256 MiB that it says it has. */
async function onBadDisk(context: TestContext, mediumMiB: number, work: (disk: BadDisk) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ferry-test-"));
  const [room, mounted] = [join(folder, "room"), join(folder, "disk")];
  const medium = join(room, "medium");
  for (const made of [room, mounted]) mkdirSync(made);
  const mount = (how = "loop") => runs("mount", "-o", how, medium, mounted);
  try {
    const isMade = runs("mount", "-t", "tmpfs", "-o", `size=${mediumMiB}m`, "tmpfs", room) && runs("truncate", "-s", "256M", medium);
    if (!isMade || !runs("mkfs.ext4", "-q", "-F", medium) || !mount())
      return context.skip("this machine does not let the test make a disk");
    // Mounted anew, so that nothing is in memory.
    const remount = (how?: string) => assert.ok(runs("umount", mounted) && mount(how));
    // What the medium has it keeps; from now on it takes all.
    const repair = () => assert.ok(runs("mount", "-o", "remount,size=512m", room));
    await work({ mounted, medium, remount, repair });
  } finally {
    for (const made of [mounted, room]) runs("umount", made);
    rmSync(folder, { recursive: true });
  }
}

function runs(program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { timeout: 30_000 }).status === 0;
}

const ENGINES = [
  { name: "one thread", engine: { threads: 0 } },
  { name: "two data threads", engine: { threads: 2 } },
];
for (const { name, engine } of ENGINES) {
  test(`a disk that does not give back what it holds is an error that names the file, and nothing is committed (F23, ${name})`, (context) =>
    onBadDisk(context, 64, ({ mounted, medium, remount }) =>
      withBench({}, engine, async ({ push, registry }) => {
        plant(mounted, { "good.bin": randomTensor(MiB), "model.bin": randomTensor(30 * MiB) });
        // The file system itself must write nothing, or the medium would have an end again, and a hole before it.
        remount("loop,ro");
        truncateSync(medium, 12 * MiB);
        await assert.rejects(push({ sources: [mounted] }), (error: FerryError) => {
          context.diagnostic(error.message);
          return error.code === "FILE_UNREADABLE" && /^(good|model)\.bin$/.test(String(error.details["path"]));
        });
        assert.equal(registry.revisions(REPOSITORY).length, 0);
      }),
    ));

  test(`a disk that loses what is written is an error that names the file, and no file has its name that is not whole (F23, ${name})`, (context) =>
    onBadDisk(context, 24, ({ mounted, remount, repair }) =>
      withBench({}, engine, async ({ source, push, pull }) => {
        plant(source, Object.fromEntries(Array.from({ length: 6 }, (_, at) => [`m${at}.bin`, randomTensor(8 * MiB)])));
        await push();
        const destination = join(mounted, "pulled");
        await assert.rejects(pull({ destination }), (error: FerryError) => {
          context.diagnostic(error.message);
          return error.code === "FILE_UNWRITABLE" && /^m\d\.bin$/.test(String(error.details["path"]));
        });
        repair();
        remount();
        const named = existsSync(destination) ? readdirSync(destination).filter((file) => file.startsWith("m")) : [];
        context.diagnostic(`${named.length} of 6 files have their names`);
        assert.ok(named.length < 6);
        const [right, found] = [snapshot(source), named.length > 0 ? snapshot(destination) : {}];
        for (const file of named) assert.equal(found[file], right[file], file);
      }),
    ));
}
