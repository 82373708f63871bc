import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { BudgetSpent, ChunkReader, keptBytes, storedFile } from "../../../scripts/cli/stored-file.ts";
import { diffTensors, Pieces, type TensorSide } from "../../../scripts/cli/tensor-diff.ts";
import { listTensors } from "../../../shared/chunking/tensors.ts";
import { FerryClient } from "../../../shared/client.ts";
import type { Digest } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { MiB } from "../../../shared/units.ts";
import { repositoryName } from "../../support/memory-app.ts";
import { memoryHost } from "../../support/memory-host.ts";
import { type Cut, cut, GuardedSource } from "../chunking/cuts.ts";
import { Random } from "../chunking/files/bytes.ts";
import { safetensors } from "../chunking/files/safetensors.ts";

type Model = Record<string, { seed: number; length: number }>;

const HOLDER = { repository: repositoryName("team/model"), revision: "0123456789".repeat(4) };

const tensorsOf = (model: Model) =>
  Object.entries(model).map(([name, { seed, length }]) => ({ name, bytes: new Random(seed).bytes(length) }));

/** `read`: whether the bytes are at hand; without, only the chunks' names tell. */
async function sideOf(model: Model, read: boolean): Promise<TensorSide> {
  const file = safetensors(tensorsOf(model));
  const { recipe } = await cut(file);
  return {
    tensors: (await listTensors(new GuardedSource(file))) ?? [],
    pieces: new Pieces(recipe),
    bytesAt: (offset, length) => (read ? file.subarray(offset, offset + length) : null),
  };
}

/** What is true of two models, by their bytes. */
function truth(before: Model, after: Model) {
  const names = (wanted: (name: string) => boolean) => [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(wanted).sort();
  const isSame = (name: string) => before[name]?.seed === after[name]?.seed && before[name]?.length === after[name]?.length;
  return {
    added: names((name) => before[name] === undefined),
    removed: names((name) => after[name] === undefined),
    changed: names((name) => before[name] !== undefined && after[name] !== undefined && !isSame(name)),
    unchanged: names((name) => before[name] !== undefined && isSame(name)),
  };
}

const named = ({ changes }: ReturnType<typeof diffTensors>, kind: string) =>
  changes.flatMap(({ change, name }) => (change === kind ? [name] : [])).sort();

// By the numbers of the small chunker: tiny, in groups, with chunks of their own, and of several chunks. Other seeds are other bytes.
const models = fc.dictionary(
  fc.constantFrom("a", "b", "c", "d", "e", "f"),
  fc.record({ seed: fc.integer({ min: 1, max: 3 }), length: fc.constantFrom(40, 1_500, 6_000, 200_000) }),
  { minKeys: 1 },
);

test("with all bytes at hand every tensor is told to be what it is", async () => {
  await fc.assert(
    fc.asyncProperty(models, models, async (before, after) => {
      const diff = diffTensors(await sideOf(before, true), await sideOf(after, true));
      const { added, removed, changed, unchanged } = truth(before, after);
      assert.deepEqual([named(diff, "added"), named(diff, "removed"), named(diff, "changed")], [added, removed, changed]);
      assert.deepEqual([diff.unchanged, diff.uncompared], [unchanged.length, []]);
    }),
    { numRuns: 60 },
  );
});

test("without the bytes nothing wrong is told, and large tensors are told apart by their chunks", async () => {
  await fc.assert(
    fc.asyncProperty(models, models, async (before, after) => {
      const diff = diffTensors(await sideOf(before, false), await sideOf(after, false));
      const { added, removed, changed, unchanged } = truth(before, after);
      assert.deepEqual([named(diff, "added"), named(diff, "removed")], [added, removed]);
      for (const name of named(diff, "changed")) assert.ok(changed.includes(name), name);
      assert.ok(diff.unchanged <= unchanged.length);
      const isLarge = (name: string) => (after[name]?.length ?? 0) >= 6_000;
      for (const name of changed.filter(isLarge)) assert.ok(named(diff, "changed").includes(name), name);
      const told = [...named(diff, "changed"), ...diff.uncompared];
      for (const name of changed) assert.ok(told.includes(name), name);
      assert.equal(told.length + diff.unchanged, changed.length + unchanged.length);
    }),
    { numRuns: 60 },
  );
});

describe("a stored file", () => {
  const file = safetensors(tensorsOf({ a: { seed: 1, length: 40 }, b: { seed: 2, length: 9_000 }, c: { seed: 3, length: 200_000 } }));

  function readerOf({ chunks }: Cut, budgetBytes: number, spoil = (bytes: Uint8Array) => bytes) {
    const fetched: string[] = [];
    const fetch = async (url: string, init: RequestInit): Promise<Response> => {
      const { pathname } = new URL(url);
      if (pathname.endsWith("/downloads")) {
        const { chunks: asked } = JSON.parse(String(init.body)) as { chunks: Digest[] };
        const items = asked.map((sha256) => ({ sha256, path: `/${sha256}`, signature: "s" }));
        return Response.json({ store: "home", base: "https://store.test", query: "q=1", expiresInSeconds: 900, items });
      }
      fetched.push(pathname.slice(1));
      const bytes = [...chunks].find(([digest]) => digest === pathname.slice(1))?.[1];
      return bytes === undefined ? new Response(null, { status: 404 }) : new Response(new Uint8Array(spoil(bytes)));
    };
    const client = new FerryClient({ endpoint: "https://ferry.test", fetch, sleep: async () => {}, random: () => 0, attempts: 1 });
    return { reader: new ChunkReader(memoryHost({ fetch }).host, client, budgetBytes), fetched };
  }

  test("reads as its bytes, and fetches the chunks that are touched, once each", async () => {
    const made = await cut(file);
    const pieces = new Pieces(made.recipe);
    const { reader, fetched } = readerOf(made, MiB);
    const source = storedFile(reader, HOLDER, pieces);
    assert.deepEqual(
      (await listTensors(source))?.map(({ name }) => name),
      ["a", "b", "c"],
    );
    assert.ok(fetched.length < made.chunks.size, "the header does not need every chunk");
    assert.equal(keptBytes(reader, pieces, file.length - 1000, 1000), null);
    for (const [offset, length] of [
      [0, file.length],
      [7, 9_100],
      [9_000, 65_536],
      [file.length - 1, 1],
    ] as const) {
      assert.deepEqual(Buffer.from(await source.read(offset, length)), Buffer.from(file.subarray(offset, offset + length)));
    }
    assert.deepEqual(Buffer.from(keptBytes(reader, pieces, 3, 5_000) ?? []), Buffer.from(file.subarray(3, 5_003)));
    assert.deepEqual(fetched.toSorted(), [...made.chunks.keys()].sort());
  });

  test("is not read beyond the budget", async () => {
    const made = await cut(file);
    const { reader, fetched } = readerOf(made, 100);
    await assert.rejects(listTensors(storedFile(reader, HOLDER, new Pieces(made.recipe))), BudgetSpent);
    assert.deepEqual(fetched, []);
  });

  for (const [what, spoil] of [
    ["other bytes", (bytes: Uint8Array) => bytes.map((byte) => byte ^ 1)],
    ["fewer bytes", (bytes: Uint8Array) => bytes.subarray(1)],
  ] as const) {
    test(`is refused when the store answers with ${what}`, async () => {
      const made = await cut(file);
      const { reader } = readerOf(made, MiB, spoil);
      const error = await listTensors(storedFile(reader, HOLDER, new Pieces(made.recipe))).catch((error: unknown) => error);
      assert.ok(error instanceof FerryError && error.code === "DIGEST_INVALID", String(error));
    });
  }
});
