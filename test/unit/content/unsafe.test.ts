/** Files that run code when they are loaded are found by their content: what they would import, without importing it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { importKind } from "../../../shared/content/imports.ts";
import { sourceOfBytes } from "../../../shared/content/inflate.ts";
import { readPickle } from "../../../shared/content/pickle.ts";
import { findUnsafe } from "../../../shared/content/unsafe.ts";
import { MiB } from "../../../shared/units.ts";
import { concat } from "../chunking/files/bytes.ts";
import { WRITERS } from "../chunking/files/model.ts";
import { npy } from "../chunking/files/npy.ts";
import { zip } from "../chunking/files/zip.ts";
import { CPYTHON, MEMOIZE, ops, PROTO4, STACK_GLOBAL, TUPLE1, text } from "./pickles.ts";

const inspect = (bytes: Uint8Array) => findUnsafe(sourceOfBytes(bytes));
const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, "base64"));
const EVIL = ops(PROTO4, text("os"), text("system"), STACK_GLOBAL, text("id"), TUPLE1, "R.");

for (const { name, dangerous, base64 } of CPYTHON) {
  test(`what CPython writes is followed to its end: ${name}`, async () => {
    const found = await inspect(bytesOf(base64));
    assert.deepEqual([found?.dangerous, found?.problem], [dangerous, null]);
  });
}

const WRAPPED: readonly [name: string, kind: string, bytes: Uint8Array][] = [
  [
    "a torch zip",
    "zip",
    zip(
      [
        { name: "m/data.pkl", bytes: EVIL },
        { name: "m/data/0", bytes: new Uint8Array(100) },
      ],
      { alignment: 64 },
    ),
  ],
  ["a torch zip whose pickle has another name", "zip", zip([{ name: "m/weights", bytes: EVIL }])],
  ["a zip whose members are deflated", "zip", zip([{ name: "data.pkl", bytes: EVIL }], { deflate: true })],
  ["archives one behind the other", "zip", concat([zip([{ name: "a", bytes: ops("hello") }]), zip([{ name: "a", bytes: EVIL }])])],
  ["an array of objects", "npy", objectArray(EVIL)],
  ["an .npz with an array of objects", "zip", zip([{ name: "x.npy", bytes: objectArray(EVIL) }])],
  ["gzip", "packed", new Uint8Array(gzipSync(EVIL))],
  ["zlib, as joblib packs", "packed", new Uint8Array(deflateSync(EVIL))],
  ["legacy torch: several pickles and then data", "pickle", concat([ops(PROTO4, "K", 1, "."), EVIL, new Uint8Array(1000)])],
  ["a tar, as torch wrote once", "tar", tarOf("pickle", EVIL)],
];

for (const [name, kind, bytes] of WRAPPED) {
  test(`a pickle is found in ${name}`, async () => {
    const found = await inspect(bytes);
    assert.deepEqual([found?.kind, found?.dangerous], [kind, ["os.system"]]);
  });
}

/** GHSA ids are of picklescan, which each of these once got past (reference/safety.md §5.2). */
const HIDDEN: readonly [name: string, bytes: Uint8Array][] = [
  [
    "the name is on the stack by way of the memo",
    ops(PROTO4, text("os"), MEMOIZE, text("system"), MEMOIZE, "00", "h", 0, "h", 1, STACK_GLOBAL, text("x"), TUPLE1, "R."),
  ],
  ["the name is made from values that are no texts", ops(PROTO4, "NN", STACK_GLOBAL, text("x"), TUPLE1, "R.")],
  [
    "the memo has a gap, so that MEMOIZE and a count of it differ",
    ops(PROTO4, text("os"), "q", 7, MEMOIZE, text("system"), STACK_GLOBAL, ")R."),
  ],
  ["it breaks right after the call", ops(PROTO4, text("os"), text("system"), STACK_GLOBAL, text("x"), TUPLE1, "R", 0xff, 0xff)],
  ["it ends without STOP", ops(PROTO4, text("os"), text("system"), STACK_GLOBAL, text("x"), TUPLE1, "R")],
  ["a name leads through a module: torch.serialization.os.system", ops("ctorch.serialization\nos.system\n(S'x'\ntR.")],
  ["INST instead of GLOBAL", ops("(S'x'\nios\nsystem\n.")],
  ["protocol 0, with no mark at all", ops("cos\nsystem\n(S'x'\ntR.")],
  ["protocol 0 behind comments' worth of values", ops("I1\n0".repeat(5_000), "cos\nsystem\n(S'x'\ntR.")],
  ["an extension's number instead of a name", ops([0x80, 2], 0x82, 5, ")R.")],
  [
    "GHSA-97f8-7cmv-76j2: a module that is on nobody's list is not called safe",
    ops(PROTO4, text("some.module"), text("run"), STACK_GLOBAL, ")R."),
  ],
  ["GHSA-9726-w42j-3qjr: numpy.testing runs strings", ops("cnumpy.testing._private.utils\nrunstring\n(S'x'\ntR.")],
];

for (const [name, bytes] of HIDDEN) {
  test(`a pickle hides nothing: ${name}`, async () => {
    const found = await inspect(bytes);
    assert.ok(found !== null, "it is a pickle");
    assert.ok(found.dangerous.length > 0 || found.problem !== null || found.imports.length > 0, JSON.stringify(found));
    if (!name.startsWith("GHSA-97f8")) assert.ok(found.dangerous.length > 0 || found.problem !== null, JSON.stringify(found));
  });
}

test("a zip that contradicts itself counts as one that can't be followed", async () => {
  const good = zip([{ name: "data.pkl", bytes: EVIL }]);
  const otherName = good.slice();
  otherName[30] = 0x78;
  for (const bad of [otherName, good.slice(0, -10), concat([good, new Uint8Array(5)])]) {
    const found = await inspect(bad);
    assert.ok(found !== null && found.problem !== null, JSON.stringify(found));
  }
});

test("a Keras model with code in a layer is found", async () => {
  const config = new TextEncoder().encode('{"layers": [{"class_name": "Lambda", "config": {}}]}');
  assert.deepEqual((await inspect(zip([{ name: "config.json", bytes: config }])))?.kind, "keras");
});

test("tensors, arrays, texts and archives of texts are nothing of this", async () => {
  const encode = (value: string) => new TextEncoder().encode(value);
  const tensors = [{ name: "w", bytes: new Uint8Array(5_000).fill(7) }];
  const safe = [
    ...WRITERS.filter(({ name }) => /safetensors|gguf/i.test(name)).map(({ write }) => write(tensors)),
    npy(new Uint8Array(1_000)),
    ...[
      "{}",
      "# Readme\nThis is text.",
      "col1,col2\n1,2\n",
      "cats\ndogs\n.",
      "I am\nhere.",
      "N.",
      "import os\nos.system('x')\n",
      "(1, 2)\n",
    ].map(encode),
    zip([
      { name: "a.txt", bytes: encode("hello") },
      { name: "config.json", bytes: encode("{}") },
    ]),
    new Uint8Array(gzipSync("some text")),
    new Uint8Array(0),
    new Uint8Array([0x80]),
  ];
  for (const bytes of safe) assert.equal(await inspect(bytes), null, Buffer.from(bytes.subarray(0, 20)).toString("latin1"));
});

test("names of imports are judged: known ones, dangerous ones, and all others unknown", () => {
  const table: Record<string, string[]> = {
    known: [
      "torch._utils._rebuild_tensor_v2",
      "torch.FloatStorage",
      "collections.OrderedDict",
      "numpy.core.multiarray._reconstruct",
      "builtins.set",
    ],
    dangerous: [
      "os.system",
      "posix.system",
      "nt.system",
      "builtins.eval",
      "__builtin__.exec",
      "subprocess.Popen",
      "runpy._run_code",
      "?",
      "torch.hub.load",
      "builtins.getattr",
      "operator.attrgetter",
      "x.y.__globals__",
    ],
    unknown: ["argparse.Namespace", "sklearn.tree._tree.Tree", "my.module.Model", "builtins.Exception"],
  };
  for (const [kind, names] of Object.entries(table)) for (const name of names) assert.equal(importKind(name), kind, name);
});

test("whatever bytes follow, a pickle is walked without failing, within its bounds, and is never said to end outside", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), fc.constantFrom(...CPYTHON), fc.nat(400), async (noise, { base64 }, cut) => {
      const bytes = concat([bytesOf(base64).subarray(0, cut), noise]);
      const { end, imports } = await readPickle(sourceOfBytes(bytes), 0, bytes.length);
      assert.ok(end >= 0 && end <= bytes.length && imports.length <= 1_000);
    }),
    { numRuns: 2_000 },
  );
});

test("no later byte hides an import that was found", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (noise) => {
      const found = await inspect(concat([EVIL.subarray(0, -1), noise]));
      assert.deepEqual(found?.dangerous.includes("os.system"), true);
    }),
    { numRuns: 500 },
  );
});

test("bombs end: a deep stack, a long memo, lengths beyond the file, a gigabyte of zeros in a few kilobytes", async (t) => {
  const long = Uint8Array.from({ length: 8 * MiB }, () => 0x28);
  const memo = concat([ops(PROTO4), ...Array.from({ length: 300_000 }, (_, at) => ops(text(`t${at}`), MEMOIZE, "0"))]);
  const bombs = {
    deep: concat([ops(PROTO4), long]),
    numbers: concat([ops(PROTO4), ops("K\x010".repeat(2_000_000))]),
    memo,
    length: ops(PROTO4, 0x8e, [255, 255, 255, 255, 255, 255, 255, 127]),
    zeros: new Uint8Array(gzipSync(new Uint8Array(512 * MiB), { level: 9 })),
    zip: zip([{ name: "data.pkl", bytes: ops("N0".repeat(10 * MiB), "cos\nsystem\n)R.") }], { deflate: true }),
  };
  for (const [name, bytes] of Object.entries(bombs)) {
    const startedMs = performance.now();
    const found = await inspect(bytes);
    const ms = performance.now() - startedMs;
    t.diagnostic(`${name}: ${bytes.length} bytes, ${ms.toFixed(0)} ms, ${found?.problem ?? "nothing"}`);
    if (name !== "zeros") assert.ok(found !== null && found.problem !== null, name);
  }
});

function objectArray(pickle: Uint8Array): Uint8Array {
  const header = `${"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".padEnd(117, " ")}\n`;
  return ops([0x93], "NUMPY", 1, 0, [header.length & 255, header.length >> 8], header, [...pickle]);
}

function tarOf(name: string, bytes: Uint8Array): Uint8Array {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write(bytes.length.toString(8).padStart(11, "0"), 124);
  header.write("ustar\x0000", 257, "latin1");
  return concat([header, bytes, new Uint8Array(512 - (bytes.length % 512)), new Uint8Array(1024)]);
}
