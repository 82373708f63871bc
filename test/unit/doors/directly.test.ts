import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { type AddressInfo, connect } from "node:net";
import { type TestContext, test } from "node:test";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { concatenate } from "../../../functions/doors/concatenate.ts";
import { directly } from "../../../functions/doors/directly.ts";
import { nodeHasher } from "../../../functions/node/hasher.ts";
import { Digest } from "../../../shared/digest.ts";
import { giveSlab, SLAB_BYTES, takeSlab } from "../../../shared/slabs.ts";

const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** A server of a file of `chunks`, whose bytes come in slabs; `isEndless`: after the first the store says nothing more. */
async function served(t: TestContext, chunks: Buffer[], { named = chunks, isEndless = false } = {}) {
  const left = Promise.withResolvers<void>();
  const memories = new Set<ArrayBufferLike>();
  const catalog = {
    async open({ id }: { id: string }, { offset, length }: { offset: number; length: number }, signal: AbortSignal) {
      signal.addEventListener("abort", () => left.resolve());
      const bytes = (chunks[Number(id)] ?? Buffer.alloc(0)).subarray(offset, offset + length);
      let at = 0;
      return new ReadableStream<Uint8Array>({
        async pull(controller) {
          if (isEndless && at > 0) await new Promise<void>(() => {});
          const slab = takeSlab();
          memories.add(slab.buffer);
          const part = bytes.subarray(at, at + slab.length);
          slab.set(part);
          at += part.length;
          controller.enqueue(slab.subarray(0, part.length));
          if (at >= length) controller.close();
        },
      });
    },
    startHash: () => nodeHasher.start(),
  };
  const pieces = chunks.map((bytes, at) => {
    const of = { id: String(at), sizeBytes: bytes.length, sha256: Digest.parse(sha(named[at] ?? bytes)) };
    return { of, offset: 0, length: bytes.length };
  });
  const app = new Hono();
  app.use(async (c, next) => {
    await next();
    c.res.headers.set("x-request-id", "0");
  });
  app.get("/file", () => {
    const headers = { "accept-ranges": "bytes", "content-length": String(Buffer.concat(chunks).length), "x-repo-commit": "abc" };
    return new Response(concatenate(catalog, pieces, { stallMs: 600_000 }), { headers });
  });
  app.get("/other", (c) => c.text("another answer"));
  const server = serve({ fetch: directly<{ outgoing: unknown }>((request) => app.fetch(request)), port: 0, hostname: "127.0.0.1" });
  await new Promise<void>((resolve) => server.once("listening", resolve));
  t.after(() => {
    server.close();
    if ("closeAllConnections" in server) server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, port, left: left.promise, memories };
}

test("a streamed file is its bytes with its head, in memory that is used again; other answers go their way on the same connection", async (t) => {
  const chunks = [randomBytes(9 * SLAB_BYTES + 1), randomBytes(5), randomBytes(20 * SLAB_BYTES)];
  const { url, memories } = await served(t, chunks);
  for (let count = 0; count < 3; count++) {
    const answer = await fetch(`${url}/file`);
    assert.deepEqual([answer.status, answer.headers.get("x-repo-commit"), answer.headers.get("x-request-id")], [200, "abc", "0"]);
    assert.equal(sha(new Uint8Array(await answer.arrayBuffer())), sha(Buffer.concat(chunks)));
    assert.equal(await (await fetch(`${url}/other`)).text(), "another answer");
  }
  assert.ok(memories.size < 31, `${memories.size} slabs for three times 31 parts`);
});

test("a chunk that is not what it is called breaks the answer off before its end", async (t) => {
  const chunks = [randomBytes(3 * SLAB_BYTES), randomBytes(3 * SLAB_BYTES)];
  const { url } = await served(t, chunks, { named: [chunks[0] ?? Buffer.alloc(0), randomBytes(9)] });
  const answer = await fetch(`${url}/file`);
  await assert.rejects(answer.arrayBuffer());
});

test("a client that goes away ends the reads of the store, whatever it waits for", async (t) => {
  for (const isEndless of [true, false]) {
    const { port, left } = await served(t, [Buffer.alloc(200 * SLAB_BYTES)], { isEndless });
    const socket = connect(port, "127.0.0.1", () => socket.write("GET /file HTTP/1.1\r\nhost: x\r\n\r\n"));
    // It reads the first bytes and no more: the server waits for it, or for the store.
    socket.once("data", () => socket.pause().destroy());
    await left;
  }
});

test("a slab is given back once, and nothing but slabs", () => {
  const slab = takeSlab();
  giveSlab(slab.subarray(3, 9));
  giveSlab(slab);
  giveSlab(Buffer.alloc(SLAB_BYTES));
  const [first, second] = [takeSlab(), takeSlab()];
  assert.equal(first.buffer, slab.buffer);
  assert.equal(first.length, SLAB_BYTES);
  assert.notEqual(second.buffer, slab.buffer);
});
