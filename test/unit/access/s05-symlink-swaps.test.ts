/**
 * S5: while a pull writes, somebody swaps its folders and files for links that lead outside, ten thousand times (git-lfs CVE-2025-26625,
 * gitoxide CVE-2026-44471). A pull may fail; nothing is written, changed or removed outside.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pullFiles } from "../../../scripts/node/transfer.ts";
import { FerryClient } from "../../../shared/client.ts";
import { FerryError } from "../../../shared/errors.ts";
import { memoryApp, refName, repositoryName } from "../../support/memory-app.ts";
import { Pusher } from "../../support/pusher.ts";
import { serveApp } from "../../support/served-app.ts";
import { startSwapper } from "../../support/swapper.ts";

const SWAPS = 10_000;
const PULLS_MIN = 100;
const PULLS_MAX = 2_000;
const M = repositoryName("team/m");
const FILES = { "a/x.bin": "xxxx", "a/b/y.bin": "yyyy", "a/b/c/z.bin": "zzzz", "d/w.bin": "wwww", top: "tttt" };

test(`${SWAPS} swaps of folders and files for links, while pulls write there: nothing outside is touched`, {
  timeout: 180_000,
}, async (t) => {
  const app = await memoryApp({ ids: ["home"] });
  const served = await serveApp(app);
  const root = mkdtempSync(join(tmpdir(), "ferry-swaps-"));
  const [outside, inside] = [join(root, "outside"), join(root, "inside")];
  for (const folder of [outside, join(outside, "b"), join(outside, "b", "c")]) mkdirSync(folder);
  for (const name of ["x.bin", "b/y.bin", "w.bin"]) writeFileSync(join(outside, name), "precious");
  mkdirSync(inside);
  const { token } = await app.admin.call("createToken", {
    body: { name: "x", scopes: [{ repositories: "*", actions: ["pull", "push"] }] },
  });
  const client = new FerryClient({ endpoint: served.endpoint, token, fetch, sleep: async () => {}, random: Math.random, attempts: 1 });
  const pusher = new Pusher(client, fetch);
  await pusher.create(M);
  await pusher.push(M, FILES);
  // Every pull has to write: what is there is of the other branch.
  const other = Object.fromEntries(Object.entries(FILES).map(([path, text]) => [path, text.toUpperCase()]));
  await pusher.push(M, other, { branch: refName("other") });
  const swapper = startSwapper(
    ["a", "a/b", "d", "a/x.bin", "top"].map((path) => join(inside, path)),
    outside,
  );
  const ends = new Map<string, number>();
  let pulls = 0;
  try {
    for (; pulls < PULLS_MIN || (swapper.count() < SWAPS && pulls < PULLS_MAX); pulls++) {
      const end = await pullFiles(
        { repository: M, ref: pulls % 2 === 0 ? "main" : "other", destination: inside },
        { client, onProgress: () => {}, signal: new AbortController().signal },
        { cacheDir: join(root, "cache"), useStatCache: false, threads: 0 },
      ).then(
        () => "OK",
        (error: unknown) => (error instanceof FerryError ? error.code : String(error)),
      );
      ends.set(end, (ends.get(end) ?? 0) + 1);
    }
  } finally {
    await swapper.stop();
    await served.stop();
  }
  const found = readdirSync(outside, { recursive: true, encoding: "utf8" }).sort();
  const contents = ["x.bin", "b/y.bin", "w.bin"].map(
    (name) => existsSync(join(outside, name)) && readFileSync(join(outside, name), "utf8"),
  );
  rmSync(root, { recursive: true });
  t.diagnostic(
    `${swapper.count()} swaps during ${pulls} pulls (${[...ends].map(([end, count]) => `${count} ${end}`).join(", ")}): escapes 0`,
  );
  assert.deepEqual(found, ["b", "b/c", "b/y.bin", "w.bin", "x.bin"]);
  assert.deepEqual(contents, ["precious", "precious", "precious"]);
  assert.ok(swapper.count() >= SWAPS, `${swapper.count()} swaps`);
});
