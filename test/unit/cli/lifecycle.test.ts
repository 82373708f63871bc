/** The life of revisions from the command line, on the app in memory: what people see, word for word. */
import { beforeEach, test } from "node:test";
import { assertGolden } from "../../support/golden.ts";
import { type MemoryApp, memoryApp, refName, repositoryName } from "../../support/memory-app.ts";
import { Pusher } from "../../support/pusher.ts";
import { transcriptOf } from "../../support/transcript.ts";

const DAY_MS = 86_400_000;
const LLAMA = repositoryName("team/llama");

let app: MemoryApp;
let admin: string;
let writer: string;
/** Oldest first; the last is the head of main. */
let revisions: string[];

beforeEach(async () => {
  app = await memoryApp({ ids: ["home"] });
  const everything = {
    repositories: "*",
    actions: ["pull" as const, "push" as const, "tag" as const, "delete" as const, "admin" as const],
  };
  admin = (await app.admin.call("createToken", { body: { name: "Ada", scopes: [everything] } })).token;
  const team = { repositories: "team/*", actions: ["pull" as const, "push" as const, "tag" as const, "delete" as const] };
  writer = (await app.admin.call("createToken", { body: { name: "Wim", scopes: [team] } })).token;
  const pusher = new Pusher(app.clientFor(admin), app.stores.fetch);
  await pusher.create(LLAMA);
  revisions = [];
  for (const [message, size] of [
    ["first", 1000],
    ["second", 2000],
    ["third", 3000],
  ] as const) {
    app.clock.advance(3_600_000);
    const files = { "config.json": "{}", "weights.bin": "w".repeat(size) };
    revisions.push((await pusher.push(LLAMA, files, { message })).revision.revision);
  }
  app.clock.advance(3_600_000);
  await pusher.push(LLAMA, { "config.json": "{}" }, { branch: refName("exp/small"), message: "only the config" });
});

const at = (revision: string | undefined) => `team/llama@${revision}`;

test("tags are locked, moved under a condition, looked back on and rolled back as written in golden/cli/tag-acts.txt", async () => {
  const [first, second, third] = revisions;
  const text = await transcriptOf(app, admin, [
    [["tag", at(first), "prod", "-m", "go live"]],
    [["tag", at(second), "v11"]],
    [["tag", at(third), "prod", "--if", "v11"]],
    [["tag", at(second), "prod", "--if", `${first}`, "-m", "better"]],
    [["tag", at(third), "prod", "--if", "v11", "-m", "best"]],
    [["tag", "team/llama", "prod", "--history"]],
    [["tag", "team/llama", "prod", "--history", "-n", "1"]],
    [["tag", "team/llama", "prod", "--rollback", "--if", "v11"]],
    [["tag", "team/llama", "prod", "--rollback", "--if", "main", "-m", "worse"]],
    [["tag", "team/llama", "v11", "--rollback"]],
    [["tag", "team/llama", "prod", "--lock"]],
    [["show", "team/llama"]],
    [["tag", at(third), "prod", "--force"]],
    [["tag", "team/llama", "prod", "--rollback"]],
    [["untag", "team/llama", "prod"]],
    [["tag", "team/llama", "prod", "--unlock", "--json"]],
    [["untag", "team/llama", "prod", "--if", "main"]],
    [["untag", "team/llama", "prod", "--if", "v11"]],
    [["tag", "team/llama", "prod", "--lock"]],
    [["tag", "team/llama", "prod", "--history"]],
  ]);
  assertGolden("cli/tag-acts.txt", text);
});

test("revisions are labelled, found and sorted as written in golden/cli/search.txt", async () => {
  const [first, second, third] = revisions;
  const text = await transcriptOf(app, admin, [
    [["label", at(first), "stage=base", "team=a", "--metric", "loss=2.5"]],
    [["label", at(second), "stage=tuned", "--metric", "loss=1.25"]],
    [["label", at(third), "stage=tuned", "--metric", "loss=1.5e0", "--metric", "acc=0.9"]],
    [["label", "team/llama", "stage=final", "--metric", "acc-"]],
    [["label", at(first), "stage=old", "--replace"]],
    [["label", at("nope"), "a=b"]],
    [["show", "team/llama@main"]],
    [["log", "team/llama", "--label", "stage=tuned"]],
    [["log", "team/llama", "--label", "stage", "--metric", "loss", "-n", "1"]],
    [["log", "team/llama", "--sort", "loss:min"]],
    [["log", "team/llama", "--sort", "loss", "-n", "1"]],
    [["log", "team/llama", "--author", "Ada", "--text", "SECOND"]],
    [["log", "team/llama", "--author", "Nobody"]],
    [["log", "team/llama", "--since", "90m"]],
    [["log", "team/llama@main", "--until", "2026-01-01T02:00:00Z"]],
    [["log", "team/llama", "--until", "2026-01-01"]],
    [["clone", at(second), "other/bert", "-m", "second life"]],
    [["search", "--text", "second"]],
    [["search", "other"]],
    [["search", "--label", "stage=tuned", "-n", "1"]],
    [["search", "team", "--metric", "none"]],
  ]);
  assertGolden("cli/search.txt", text);
});

test("revisions are cloned, branches restored and repositories renamed as written in golden/cli/clone.txt", async () => {
  const [first, second, third] = revisions;
  const text = await transcriptOf(app, writer, [
    [["clone", "team/llama", "team/copy"]],
    [["clone", at(first), "team/copy", "--if", "none"]],
    [["clone", at(first), "team/copy@old", "--if", "none", "-m", "as it was"]],
    [["clone", "team/none", "team/copy"]],
    [["clone", "team/llama", "secret/copy"]],
    [["restore", at(first), "--if", `${second}`]],
    [["restore", at(first), "--if", `${third}`, "-m", "back to the first"]],
    [["restore", at(third), "--branch", "exp/small", "--if", "exp/small"]],
    [["restore", "team/llama@nope"]],
    [["log", "team/llama"]],
    [["show", "team/copy@old"]],
    [["diff", "team/llama@main", "team/copy@old"]],
    [["rename", "team/copy", "team/llama"]],
    [["rename", "team/copy", "secret/copy"]],
    [["rename", "team/copy", "team/copied"]],
    [["rename", "team/copy", "team/copied"]],
    [["log", "team/copied@old"]],
  ]);
  assertGolden("cli/clone.txt", text);
});

test("revisions and repositories go into the trash, come back and are purged as written in golden/cli/trash.txt", async () => {
  const [first, second, third] = revisions;
  const before = await transcriptOf(app, writer, [
    [["tag", at(second), "keep"]],
    [["rm", at(third)]],
    [["rm", at(first), at(second)]],
    [["rm", at(first), at(first), "-m", "too old"]],
    [["show", at(first)]],
    [["rm", at(first)]],
    [["trash", "ls", "team/llama"]],
    [["log", "team/llama", "--deleted"]],
    [["trash", "restore", at(first)]],
    [["trash", "restore", at(first)]],
    [["rm", at(first), "--json"]],
    [["trash", "purge", at(first)]],
    [["trash", "purge", at(first)], { typed: ["yes"] }],
    [["trash", "purge", at(first), "--yes"]],
    [["trash", "purge", at(first), "--now", "--yes"]],
    [["trash", "purge", "team/llama"], { typed: ["team/llama"] }],
  ]);
  app.clock.advance(15 * DAY_MS);
  const { id } = await app.clientFor(admin).call("describeRepository", { repository: LLAMA });
  const after = await transcriptOf(app, writer, [
    [["trash", "purge", "team/llama"], { typed: ["team/llama"] }],
    [["trash", "ls", "team/llama"]],
    [["trash", "restore", at(first)]],
    [["rm", "team/llama"], { typed: ["team/llama"] }],
    [["show", "team/llama"]],
    [["trash", "ls"]],
    [["clone", "team/llama", "team/copy"]],
    [["trash", "restore", id]],
    [["rm", "team/llama", "--yes"]],
    [["trash", "restore", id, "--as", "team/alpaca"]],
    [["rm", "team/alpaca", "--yes"]],
    [["trash", "purge", id]],
    [["trash", "purge", id], { typed: ["team/llama"] }],
    [["trash", "purge", id], { typed: ["team/alpaca"] }],
    [["trash", "purge", id, "--yes", "--now"]],
  ]);
  const last = await transcriptOf(app, admin, [
    [["trash", "purge", id, "--yes", "--now", "--json"]],
    [["trash", "ls", "--json"]],
    [["trash", "purge", id], { typed: ["team/alpaca"] }],
  ]);
  assertGolden("cli/trash.txt", `${before}… 15 days later\n\n${after}… an administrator\n\n${last}`);
});

test("usage, quotas and retention read as written in golden/cli/keeping.txt", async () => {
  const [, second] = revisions;
  const text = await transcriptOf(app, admin, [
    [["usage", "team/llama"]],
    [["usage"]],
    [["usage", "team/none"]],
    [["quota", "team/llama"]],
    [["quota", "team/llama", "--logical", "1TiB", "--objects", "1000"]],
    [["quota", "team/llama", "--objects", "none", "--stored", "5K", "--json"]],
    [["quota", "team/llama", "--stored", "1K"]],
    [["clone", "team/llama", "team/llama@copy"]],
    [["quota", "team/llama", "--logical", "1K"]],
    [["clone", "team/llama", "team/llama@copy2"]],
    [["quota", "team/llama", "--none"]],
    [["retention", "team/llama"]],
    [["retention", "team/llama", "--keep-last", "2", "--keep-days", "30", "--keep-best", "loss:3:min"]],
    [["retention", "team/llama", "--dry-run"]],
    [["retention", "team/llama", "--keep-last", "1", "--dry-run"]],
    [["retention", "team/llama", "--keep-best", "acc:1:max", "--run"]],
    [["retention", "team/llama", "--keep-best", "acc:1:max", "--dry-run", "--force"]],
    [["tag", at(second), "keep"]],
    [["retention", "team/llama", "--keep-last", "1", "--run"]],
    [["trash", "ls", "team/llama"]],
    [["retention", "team/llama", "--none", "--json"]],
    [["retention", "team/llama", "--run", "--json"]],
  ]);
  const refused = await transcriptOf(app, writer, [[["quota", "team/llama", "--none"]], [["retention", "team/llama", "--keep-last", "1"]]]);
  assertGolden("cli/keeping.txt", `${text}… no administrator\n\n${refused}`);
});

/** ASCII alone, so that the pusher's texts can hold it: a header of 256 bytes, whose length is the bytes 0 and 1. */
function modelText(tensors: Record<string, { dtype: string; shape: number[]; data: string }>): string {
  let offset = 0;
  const header: Record<string, unknown> = {};
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.length] };
    offset += data.length;
  }
  const data = Object.values(tensors).map((tensor) => tensor.data);
  return `\u0000\u0001${"\u0000".repeat(6)}${JSON.stringify(header).padEnd(256)}${data.join("")}`;
}

test("tensors of changed model files are compared as written in golden/cli/diff-tensors.txt, and left out when the store is away", async () => {
  const pusher = new Pusher(app.clientFor(admin), app.stores.fetch);
  const model = repositoryName("team/tiny");
  await pusher.create(model);
  const norm = { dtype: "F32", shape: [2], data: "12345678" };
  const before = { norm, head: { dtype: "BF16", shape: [2, 3], data: "a".repeat(12) }, old: { dtype: "U8", shape: [4], data: "oooo" } };
  const after = {
    norm: { ...norm, data: "12345679" },
    head: { dtype: "F16", shape: [3, 2], data: "a".repeat(12) },
    lora: { dtype: "U8", shape: [], data: "l" },
  };
  const files = { "same.safetensors": modelText({ norm }), "other.gguf": "no model" };
  await pusher.push(model, { ...files, "model.safetensors": modelText(before), "gone.safetensors": modelText(before) });
  await pusher.push(
    model,
    { ...files, "other.gguf": "no model either", "model.safetensors": modelText(after) },
    { branch: refName("next") },
  );
  const away = {
    fetch: (url: string, init: RequestInit) =>
      url.includes(".memory.test") ? Promise.reject(new TypeError("fetch failed")) : app.fetch(url, init),
  };
  const text = await transcriptOf(app, admin, [
    [["diff", "team/tiny", "main", "next"]],
    [["diff", "team/tiny", "main", "next", "--json"]],
    [["diff", "team/tiny", "main", "next"], away],
  ]);
  assertGolden("cli/diff-tensors.txt", text);
});
