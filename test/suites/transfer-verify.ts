/** What is promised of trees that are compared, switched to, made from a cache of chunks, or pushed through links: see transfer.ts. */
import assert from "node:assert/strict";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { MiB } from "../../shared/units.ts";
import { REPOSITORY } from "../support/fake-registry.ts";
import type { Bench, Check } from "../support/transfer-bench.ts";
import { plant, randomTensor, safetensors, sha256Hex, snapshot } from "../support/trees.ts";

export function verifySuite(check: Check): void {
  comparing(check);
  switching(check);
  caching(check);
  following(check);
}

function comparing(check: Check): void {
  check("a tree that was pulled is right, with tensors that it has twice; nothing is fetched or written for that", async (bench) => {
    const tied = randomTensor(5 * MiB);
    plant(bench.source, {
      "m.safetensors": safetensors({ embed: tied, a: randomTensor(4 * MiB), head: tied, small: randomTensor(100) }),
      "run.sh": { executable: "x" },
      empty: "",
      "sub/link": { link: "../run.sh" },
    });
    await bench.push();
    await bench.pull();
    const before = snapshot(bench.destination);
    bench.registry.resetCounts();
    for (const full of [false, true]) {
      const { wrong, files, bytesTotal } = await bench.verify({ full });
      assert.deepEqual([wrong, files], [[], 4]);
      assert.ok(bytesTotal > 14 * MiB);
    }
    assert.equal(bench.registry.counts["GET"], undefined);
    assert.deepEqual(snapshot(bench.destination), before);
    const again = await bench.pull();
    assert.equal(again.chunksMoved, 0);
  });

  check("all that is not as it should be is named, with the reason; unknown files are nobody's business", async (bench) => {
    const names = ["changed.bin", "extra.bin", "folder", "gone.bin", "linked.bin", "short.bin", "sub/gone.bin"];
    plant(bench.source, Object.fromEntries(names.map((name) => [name, randomTensor(1000)])));
    plant(bench.source, {
      "run.sh": { executable: "x" },
      "link-a": { link: "run.sh" },
      "link-b": { link: "run.sh" },
      "right.bin": "right",
    });
    await bench.push();
    await bench.pull();
    const at = (name: string) => join(bench.destination, name);
    const { mtime } = statSync(at("changed.bin"));
    writeFileSync(at("changed.bin"), randomTensor(1000));
    utimesSync(at("changed.bin"), mtime, mtime);
    truncateSync(at("short.bin"), 10);
    for (const name of ["folder", "gone.bin", "linked.bin", "sub", "link-a", "link-b"]) rmSync(at(name), { recursive: true });
    mkdirSync(at("folder"));
    symlinkSync("right.bin", at("linked.bin"));
    symlinkSync("right.bin", at("link-a"));
    plant(bench.destination, { "link-b": "run.sh", "unknown.bin": "x" });
    chmodSync(at("run.sh"), 0o644);
    const { wrong } = await bench.verify();
    assert.deepEqual(wrong, [
      { path: "changed.bin", problem: "its content is another" },
      { path: "folder", problem: "a folder is there" },
      { path: "gone.bin", problem: "it is not there" },
      { path: "link-a", problem: "it points to right.bin instead of run.sh" },
      { path: "link-b", problem: "it is no symbolic link" },
      { path: "linked.bin", problem: "it is a symbolic link" },
      { path: "run.sh", problem: "it is not executable" },
      { path: "short.bin", problem: "it has 10 bytes instead of 1000" },
      { path: "sub/gone.bin", problem: "it is not there" },
    ]);
    assert.ok(!readdirSync(bench.destination).includes("sub"), "nothing is made");
    const some = await bench.verify({ include: ["short.bin", "right.bin"] });
    assert.deepEqual(
      some.wrong.map(({ path }) => path),
      ["short.bin"],
    );
  });

  check("with `full`, a digest of a whole file that was claimed wrongly is found out", async (bench) => {
    plant(bench.source, { "m.safetensors": safetensors({ a: randomTensor(5 * MiB), b: randomTensor(4 * MiB) }) });
    await bench.push();
    const [revision] = bench.registry.revisions(REPOSITORY);
    const [file] = revision?.manifest.files ?? [];
    if (file === undefined || file.mode === "link") throw new Error("one file was expected");
    await bench.pull();
    const path = join(bench.destination, "m.safetensors");
    assert.equal(file.sha256, sha256Hex(readFileSync(path)));
    await bench.registry.claimWrongly(REPOSITORY);
    assert.deepEqual((await bench.verify()).wrong, []);
    const { wrong } = await bench.verify({ full: true });
    assert.match(wrong[0]?.problem ?? "", /the whole has another digest/);
  });

  check("a folder that is not there is an error that names it", async (bench) => {
    plant(bench.source, { "a.bin": "a" });
    await bench.push();
    await assert.rejects(bench.verify(), { code: "FILE_UNREADABLE" });
  });
}

function switching(check: Check): void {
  check("the current link leads to the tree that is complete, and to the old one when a pull fails", async (bench) => {
    plant(bench.source, { "a.bin": "one" });
    await bench.push();
    const root = join(bench.destination, "..", "served");
    const current = join(root, "current");
    await bench.pull({ destination: join(root, "v1"), current });
    assert.equal(readlinkSync(current), "v1");
    plant(bench.source, { "a.bin": "two" });
    await bench.push();
    bench.registry.options.fault = ({ verb }) => (verb === "GET" ? { kind: "status", status: 404 } : undefined);
    await assert.rejects(bench.pull({ destination: join(root, "v2"), current }));
    assert.equal(readFileSync(join(current, "a.bin"), "utf8"), "one");
    bench.registry.options.fault = () => undefined;
    await bench.pull({ destination: join(root, "v2"), current });
    assert.equal(readFileSync(join(current, "a.bin"), "utf8"), "two");
    await bench.pull({ destination: bench.destination, current });
    assert.equal(readlinkSync(current), bench.destination);
    assert.deepEqual(readdirSync(root).sort(), ["current", "v1", "v2"]);
  });

  check("something that is no link is not taken for the current one, and nothing is fetched", async (bench) => {
    plant(bench.source, { "a.bin": "one" });
    await bench.push();
    const current = join(bench.destination, "..", "current");
    mkdirSync(current);
    await assert.rejects(bench.pull({ current }), { code: "FILE_UNWRITABLE" });
    assert.equal(bench.registry.counts["GET"], undefined);
  });
}

/** Fills a cache with the chunks of the store. */
function fillCache({ registry, destination }: Bench): string {
  const cache = join(destination, "..", "chunks");
  for (const [key, bytes] of registry.objects) plant(cache, { [`${key.slice(0, 2)}/${key.slice(0, 64)}`]: bytes });
  return cache;
}

function caching(check: Check): void {
  check("chunks of a cache are not fetched: a whole file shares its bytes, parts are copied", async (bench) => {
    plant(bench.source, {
      "one.bin": randomTensor(5 * MiB),
      "m.safetensors": safetensors({ a: randomTensor(5 * MiB), b: randomTensor(4 * MiB) }),
      "run.sh": { executable: "x" },
    });
    await bench.push();
    const chunkCache = fillCache(bench);
    const pulled = await bench.pull({ chunkCache });
    assert.deepEqual([pulled.chunksMoved, bench.registry.counts["GET"]], [0, undefined]);
    assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
    const sha256 = sha256Hex(readFileSync(join(bench.source, "one.bin")));
    const [there, cached] = [join(bench.destination, "one.bin"), join(chunkCache, sha256.slice(0, 2), sha256)].map((path) =>
      statSync(path),
    );
    assert.ok(there?.ino === cached?.ino || there?.nlink === 1, "linked where the disk can't clone");
    rmSync(join(chunkCache, sha256.slice(0, 2), sha256));
    await bench.pull({ chunkCache });
    assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
  });

  check("what is wrong in a cache is fetched instead", async (bench) => {
    plant(bench.source, {
      "one.bin": randomTensor(5 * MiB),
      "two.bin": "two",
      "m.safetensors": safetensors({ a: randomTensor(5 * MiB), b: randomTensor(4 * MiB) }),
    });
    await bench.push();
    const chunkCache = fillCache(bench);
    for (const [key, bytes] of bench.registry.objects) {
      const wrong = Buffer.from(bytes);
      wrong.fill(7, wrong.length >> 1);
      writeFileSync(join(chunkCache, key.slice(0, 2), key.slice(0, 64)), wrong);
    }
    const pulled = await bench.pull({ chunkCache });
    assert.equal(pulled.chunksMoved, pulled.chunksTotal);
    assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
  });

  check("a link planted in a cache is not followed", async (bench) => {
    const bytes = randomTensor(1000);
    plant(bench.source, { "one.bin": bytes });
    await bench.push();
    const sha256 = sha256Hex(bytes);
    const chunkCache = join(bench.destination, "..", "chunks");
    plant(chunkCache, { outside: bytes, [`${sha256.slice(0, 2)}/${sha256}`]: { link: "../outside" } });
    await bench.pull({ chunkCache });
    assert.equal(bench.registry.counts["GET"], 1);
    assert.ok(lstatSync(join(bench.destination, "one.bin")).isFile());
  });
}

function following(check: Check): void {
  check("links are followed when that is asked for: a tree of links is pushed as the files and folders behind it", async (bench) => {
    const blobs = join(bench.source, "..", "blobs");
    plant(blobs, { x: randomTensor(5 * MiB), y: { executable: "y" }, "folder/z": "z" });
    plant(bench.source, {
      "model.bin": { link: "../blobs/x" },
      "run.sh": { link: "../blobs/y" },
      sub: { link: "../blobs/folder" },
      "twice.bin": { link: "model.bin" },
      "own.txt": "own",
    });
    await assert.rejects(bench.push(), { code: "PATH_UNSAFE" });
    const pushed = await bench.push({ followLinks: true });
    await bench.pull();
    assert.equal(pushed.files, 5);
    const found = snapshot(bench.destination);
    assert.deepEqual(Object.keys(found), ["model.bin", "own.txt", "run.sh", "sub/z", "twice.bin"]);
    assert.ok(readFileSync(join(bench.destination, "model.bin")).equals(readFileSync(join(blobs, "x"))));
    assert.match(found["run.sh"] ?? "", /^executable/);
  });

  const endless: [string, string][] = [
    ["to the folder that it is in", "."],
    ["to the root", "../.."],
  ];
  for (const [what, link] of endless) {
    check(`a link ${what} is an error, not an endless walk`, async (bench) => {
      plant(bench.source, { "sub/deep/a.bin": "a", "sub/deep/loop": { link } });
      await assert.rejects(bench.push({ followLinks: true }), { code: "PATH_UNSAFE" });
    });
  }

  check("a link to nowhere is an error that names it", async (bench) => {
    plant(bench.source, { "a.bin": { link: "nowhere" } });
    await assert.rejects(bench.push({ followLinks: true }), { code: "FILE_UNREADABLE" });
  });

  check("a file that is named by a link is pushed under the link's name", async (bench) => {
    plant(bench.source, { "../real.bin": "real", "link.bin": { link: "../real.bin" } });
    await bench.push({ sources: [join(bench.source, "link.bin")] });
    await bench.pull();
    assert.deepEqual(snapshot(bench.destination), { "link.bin": `file ${sha256Hex(Buffer.from("real"))}` });
  });
}
