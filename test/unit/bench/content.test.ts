import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ContentReader, ContentWriter } from "../../../scripts/bench/s3/content.ts";
import { KiB, MiB } from "../../../shared/units.ts";

for (const pieceBytes of [64 * KiB - 37, MiB, 300_000]) {
  test(`a body that is mostly zeros is kept with its holes, and read as it was, in pieces of ${pieceBytes} bytes`, (t) => {
    const folder = mkdtempSync(join(tmpdir(), "ferry-test-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const body = Buffer.alloc(16 * MiB);
    for (let at = 0; at < body.length; at += MiB) randomBytes(16).copy(body, at);
    randomBytes(100_000).copy(body, 5_000_001);
    const path = join(folder, "body");
    const writer = new ContentWriter(path, true);
    for (let at = 0; at < body.length; at += pieceBytes) writer.write(body.subarray(at, at + pieceBytes));
    const reader = new ContentReader([writer.end()], 0, body.length);
    const read = Buffer.alloc(body.length);
    for (let at = 0, count = 1; count > 0; at += count) count = reader.read(read.subarray(at, at + 70_001));
    reader.close();
    assert.ok(read.equals(body));
    const { blocks } = statSync(path);
    t.diagnostic(`${(blocks * 512) / KiB} KiB of ${body.length / KiB}`);
    assert.ok(blocks * 512 < body.length / 4);
  });
}
