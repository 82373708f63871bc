import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EarlyFlush } from "../../../scripts/node/early-flush.ts";
import { MiB } from "../../../shared/units.ts";

/** A disk whose flushes end when the test says so. */
function disk() {
  const flushes: { fd: number; end: (error?: Error) => void }[] = [];
  const flush = (fd: number) => {
    return new Promise<void>((resolve, reject) => {
      flushes.push({ fd, end: (error) => (error === undefined ? resolve() : reject(error)) });
    });
  };
  const fds = () => flushes.map(({ fd }) => fd);
  return { flushes, fds, early: new EarlyFlush(flush) };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("files that a disk writes while more is coming", () => {
  test("a flush begins when there is enough, one at a time, and one more ends the file", async () => {
    const { flushes, fds, early } = disk();
    const [one, two] = [early.file(1), early.file(2)];
    one.wrote(31 * MiB);
    assert.deepEqual(fds(), []);
    one.wrote(MiB);
    one.wrote(64 * MiB);
    two.wrote(64 * MiB);
    assert.deepEqual(fds(), [1]);
    flushes[0]?.end();
    await turn();
    two.wrote(1);
    assert.deepEqual(fds(), [1, 2]);
    const ended = one.end();
    await turn();
    assert.deepEqual(fds(), [1, 2, 1]);
    flushes[2]?.end();
    await ended;
  });

  test("a file does not end well when an earlier flush of it failed, though a later one would not", async () => {
    const { flushes, early } = disk();
    const [file, other] = [early.file(1), early.file(2)];
    file.wrote(64 * MiB);
    flushes[0]?.end(new Error("EIO"));
    await file.idle();
    await assert.rejects(file.end(), /EIO/);
    const ended = other.end();
    await turn();
    flushes[1]?.end();
    await ended;
  });

  test("a file that is left is closed after its flush, not before", async () => {
    const { flushes, early } = disk();
    const file = early.file(1);
    file.wrote(64 * MiB);
    let isIdle = false;
    const idle = file.idle().then(() => {
      isIdle = true;
    });
    await turn();
    assert.equal(isIdle, false);
    flushes[0]?.end();
    await idle;
  });
});
