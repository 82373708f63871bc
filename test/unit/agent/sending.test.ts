/** How bytes of chunks go to readers, over real connections. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { truncateSync, writeFileSync } from "node:fs";
import { Agent, createServer, get, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { CacheFolder } from "../../../scripts/agent/cache-folder.ts";
import { ChunkFile } from "../../../scripts/agent/chunk-file.ts";
import { Filling } from "../../../scripts/agent/filling.ts";
import { SendBuffers, sendFile, sendFilling } from "../../../scripts/agent/sending.ts";
import { Digest } from "../../../shared/digest.ts";
import { MiB } from "../../../shared/units.ts";
import { tempFolder } from "../../support/trees.ts";

const SIZE = 3 * MiB + 17;

let folder: { path: string; remove: () => void };
let server: Server;
let answer: (response: ServerResponse) => Promise<unknown>;
let ended: Promise<unknown>;
const connections = new Agent({ keepAlive: true, maxSockets: 1 });
beforeEach(async () => {
  folder = tempFolder();
  server = createServer((_, response) => {
    ended = answer(response);
    ended.catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  folder.remove();
});

function asked(): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get({ host: "127.0.0.1", port: (server.address() as AddressInfo).port, agent: connections }, resolve).once("error", reject);
  });
}

async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

const bytes = randomBytes(SIZE);
const chunk = { sha256: Digest.parse(createHash("sha256").update(bytes).digest("hex")), size: SIZE };
const sentFrom = (buffers: SendBuffers, counts: { sent: number }) => ({
  ...{ from: 5, to: SIZE, buffers },
  onBytes: (count: number) => {
    counts.sent += count;
  },
});

async function fileOf(): Promise<ChunkFile> {
  const { open } = await import("node:fs/promises");
  const path = join(folder.path, "chunk");
  writeFileSync(path, bytes);
  const handle = await open(path);
  return new ChunkFile(handle.fd, chunk, () => void handle.close());
}

test("a file's bytes come as they are, answer after answer on one connection, with a length or without", async () => {
  const buffers = new SendBuffers();
  const counts = { sent: 0 };
  const file = await fileOf();
  for (const headers of [{ "content-length": String(SIZE - 5) }, {}, { "content-length": String(SIZE - 5) }]) {
    answer = async (response) => {
      response.writeHead(200, headers);
      assert.equal(await sendFile(response, file, sentFrom(buffers, counts)), true);
      response.end();
    };
    assert.ok((await bodyOf(await asked())).equals(bytes.subarray(5)));
  }
  assert.equal(counts.sent, 3 * (SIZE - 5));
  file.close();
});

test("bytes that are still coming are passed on as they come, the last one when all are right", async () => {
  const filling = new Filling(CacheFolder.open(join(folder.path, "cache"), { anySystem: true }), chunk);
  answer = async (response) => {
    const onFirst = () => void response.writeHead(200, { "content-length": String(SIZE - 5) });
    assert.equal(await sendFilling(response, filling, sentFrom(new SendBuffers(), { sent: 0 }), onFirst), true);
    response.end();
  };
  const response = asked();
  filling.write(bytes.subarray(0, MiB));
  const coming = bodyOf(await response);
  filling.write(bytes.subarray(MiB));
  filling.settle("a test");
  assert.ok((await coming).equals(bytes.subarray(5)));
});

test("a reader that leaves is noticed, and its memory serves the next", async () => {
  const buffers = new SendBuffers();
  const lent = buffers.take();
  buffers.give(lent);
  const file = await fileOf();
  // More than any connection holds.
  const to = 256 * MiB;
  truncateSync(join(folder.path, "chunk"), to);
  answer = async (response) => {
    response.writeHead(200, { "content-length": String(to) });
    return sendFile(response, file, { from: 0, to, buffers, onBytes: () => {} });
  };
  (await asked()).destroy();
  assert.equal(await ended, false);
  assert.equal(buffers.take(), lent);
  file.close();
});
