/** Chunks that the cache has no room for. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { type TestContext, test } from "node:test";
import type { Wanted } from "../../../scripts/agent/origin.ts";
import { Uncached } from "../../../scripts/agent/uncached.ts";
import { Digest } from "../../../shared/digest.ts";
import { RepositoryName, RevisionId } from "../../../shared/names.ts";

const [SIZE, PART] = [1000, 300];
const forEver = new AbortController().signal;

/** `answers`: what each request brings, one after the other. */
function made(...answers: (Buffer | "broken")[]): { uncached: Uncached; asked: () => number } {
  let asked = 0;
  const uncached = new Uncached({
    origin: { url: async () => "http://store/" },
    transport: {
      get: async (_, sink) => {
        const answer = answers[Math.min(asked++, answers.length - 1)];
        if (answer === undefined || answer === "broken") return { kind: "broken", problem: "it broke off" };
        for (let at = 0; at < answer.length; at += 400) void sink.write(answer.subarray(at, at + 400));
        return { kind: "complete" };
      },
    },
  });
  return { uncached, asked: () => asked };
}

function chunk(): { bytes: Buffer; wanted: Wanted } {
  const bytes = randomBytes(SIZE);
  const sha256 = Digest.parse(createHash("sha256").update(bytes).digest("hex"));
  return { bytes, wanted: { sha256, size: SIZE, repository: RepositoryName.parse("a/b"), revision: RevisionId.parse("1".repeat(40)) } };
}

async function all(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const read: Uint8Array[] = [];
  for await (const part of parts) read.push(part);
  return Buffer.concat(read);
}

test("any stretch of a chunk comes, out of bytes that were seen to be right; what is wrong or breaks off is asked for again", async () => {
  const { bytes, wanted } = chunk();
  const wrong = Buffer.from(bytes);
  wrong[3] = (wrong[3] ?? 0) ^ 1;
  const { uncached, asked } = made(wrong, "broken", bytes);
  const part = await all(uncached.read(wanted, { offset: 10, length: 905 }, PART, forEver));
  assert.ok(part.equals(bytes.subarray(10, 915)));
  assert.equal(asked(), 3);
  await assert.rejects(all(made(wrong).uncached.read(wanted, { offset: 0, length: 1 }, PART, forEver)), { code: "TRANSFER_FAILED" });
});

test("one is in memory at a time: the next comes when the one before was read, or left", async () => {
  const { bytes, wanted } = chunk();
  const { uncached, asked } = made(bytes);
  const first = uncached.read(wanted, { offset: 0, length: SIZE }, PART, forEver);
  await first.next();
  const second = all(uncached.read(wanted, { offset: 0, length: SIZE }, PART, forEver));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(asked(), 1);
  await first.return(undefined);
  assert.ok((await second).equals(bytes));
});

test("whoever reads nothing for twenty seconds makes place for the next, and is told", async (t: TestContext) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { bytes, wanted } = chunk();
  const { uncached } = made(bytes);
  const slow = uncached.read(wanted, { offset: 0, length: SIZE }, PART, forEver);
  await slow.next();
  const second = all(uncached.read(wanted, { offset: 0, length: SIZE }, PART, forEver));
  t.mock.timers.tick(20_000);
  assert.ok((await second).equals(bytes));
  await assert.rejects(slow.next(), /it was read too slowly/);
});
