/** Reading what is pushed: what the disk says, and what is not the file that was listed. */
import assert from "node:assert/strict";
import { existsSync, lstatSync } from "node:fs";
import { test } from "node:test";
import { scanFile } from "../../../scripts/node/scan.ts";
import { stampOf } from "../../../scripts/node/walk.ts";
import type { SourceFile } from "../../../shared/transfer/ports.ts";
import { KiB } from "../../../shared/units.ts";

/** Its first page belongs to nobody: reading it is an input/output error, as a bad disk gives. */
const UNREADABLE = "/proc/self/mem";
const skip = existsSync(UNREADABLE) ? false : "this system has no file that gives an input/output error";

for (const sizeBytes of [4 * KiB, 8192 * KiB]) {
  test(`a disk that reports an error is an error that names the file (${sizeBytes} bytes)`, { skip }, async () => {
    const stamp = stampOf(lstatSync(UNREADABLE, { bigint: true }));
    const file: SourceFile = { kind: "file", path: "model.bin", local: UNREADABLE, sizeBytes, executable: false, stamp };
    const scan = scanFile(file, { md5: false, signal: new AbortController().signal, onChunk: async () => {} });
    await assert.rejects(scan, {
      code: "FILE_UNREADABLE",
      details: { path: "model.bin", problem: "the disk reports an input/output error" },
    });
  });
}
