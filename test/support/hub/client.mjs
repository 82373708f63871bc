// What a user of @huggingface/hub does, unmodified, against HF_ENDPOINT. Prints a line of JSON for each operation.
// argv: repository that `ferry` pushed, folder with the same files, name for a new repository.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as hub from "@huggingface/hub";

const [pushed, folder, name, readsOnly] = process.argv.slice(2);
const common = { hubUrl: process.env.HF_ENDPOINT, accessToken: process.env.HF_TOKEN };
const theirs = { type: "model", name: pushed };
const mine = { type: "model", name };
const big = new Blob([randomBytes(2_000_000), new Uint8Array(68e6).fill(7)]);
const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");
const bytesOf = async (blob) => new Uint8Array(await blob.arrayBuffer());
const all = async (list) => {
  const items = [];
  for await (const item of list) items.push(item);
  return items;
};

const OPERATIONS = {
  whoami: async () => assert.ok((await hub.whoAmI(common)).name),
  model_info: async () => assert.equal((await hub.modelInfo({ ...common, name: pushed })).name, pushed),
  download_file: async () => {
    const blob = await hub.downloadFile({ ...common, repo: theirs, path: "model.safetensors" });
    assert.equal(sha(await bytesOf(blob)), sha(readFileSync(join(folder, "model.safetensors"))));
  },
  errors: async () => {
    assert.equal(await hub.downloadFile({ ...common, repo: theirs, path: "nope" }), null);
    assert.equal(await hub.fileExists({ ...common, repo: theirs, path: "nope" }), false);
    assert.equal(await hub.repoExists({ ...common, repo: { type: "model", name: "team/none" } }), false);
  },
  listings: async () => {
    const files = await all(hub.listFiles({ ...common, repo: theirs, recursive: true, expand: true }));
    assert.ok(files.some(({ path }) => path === "sub"));
    assert.equal((await hub.pathsInfo({ ...common, repo: theirs, paths: ["sub", "config.json", "zz"] })).length, 2);
    assert.equal(await hub.countCommits({ ...common, repo: theirs }), 1);
  },
  create: () => hub.createRepo({ ...common, repo: mine }),
  upload_folder: () => all(hub.uploadFilesWithProgress({ ...common, repo: mine, files: [pathToFileURL(join(folder, "config.json"))] })),
  upload_objects: async () => {
    await hub.uploadFiles({ ...common, repo: mine, useXet: true, files: [{ path: "x/big.bin", content: big }] });
    const got = await hub.downloadFile({ ...common, repo: mine, path: "x/big.bin" });
    assert.equal(sha(await bytesOf(got)), sha(await bytesOf(big)));
  },
  copy_and_delete: async () => {
    await hub.deleteFile({ ...common, repo: mine, path: "x/big.bin" });
    assert.equal(await hub.fileExists({ ...common, repo: mine, path: "x/big.bin" }), false);
  },
  branches_and_tags: async () => {
    await hub.createBranch({ ...common, repo: mine, branch: "dev" });
    await hub.deleteBranch({ ...common, repo: mine, branch: "dev" });
  },
  delete_repository: async () => {
    await hub.deleteRepo({ ...common, repo: mine });
    assert.equal(await hub.repoExists({ ...common, repo: mine }), false);
  },
};

const { version } = JSON.parse(readFileSync(new URL("../../../node_modules/@huggingface/hub/package.json", import.meta.url), "utf8"));
console.log(JSON.stringify({ version }));
const operations = Object.entries(OPERATIONS);
// Against what only reads: those up to the first that writes.
const count = readsOnly === undefined ? operations.length : operations.findIndex(([operation]) => operation === "create");
for (const [operation, run] of operations.slice(0, count)) {
  const error = await run().then(
    () => null,
    (failure) => String(failure),
  );
  console.log(JSON.stringify({ operation, error }));
}
