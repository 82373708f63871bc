import assert from "node:assert/strict";
import { test } from "node:test";
import { refName, repositoryName } from "../../support/memory-app.ts";
import { digestOf, Pusher } from "../../support/pusher.ts";
import { ALL, codeOf, ground, logLength, MODEL, rankOf, ranksOf, refusalOf, SHARES, sealAll } from "./parts-ground.ts";

test("ranks that join one session make one revision of all their parts, and each is answered with it", async () => {
  const app = await ground();
  const ranks = ranksOf(app);
  const uploads = await Promise.all(ranks.map(({ rank, files }) => rank.bring(files)));
  assert.equal(new Set(uploads).size, 1);
  const revisions = [];
  for (const [at, { rank }] of ranks.entries()) revisions.push(await rank.commit(uploads[at] ?? "", { message: `rank ${at}` }));
  assert.equal(new Set(revisions.map(({ revision }) => revision)).size, 1);
  assert.equal(await logLength(app), 1);
  const { manifest, revision } = await app.admin.call("manifest", { repository: MODEL, params: { ref: "main" } });
  assert.deepEqual(manifest.files.map(({ path }) => path).sort(), Object.keys(ALL).sort());
  assert.deepEqual(
    [revision.message, revision.fileCount, revision.sizeBytes, revision.newBytes, revision.chunkCount],
    ["rank 0", 6, 19, 19, 5],
  );
  const chunks = [digestOf("bbbbbb"), digestOf("ddddd")];
  const batch = await app.admin.call("download", { repository: MODEL, params: { ref: "main" }, body: { chunks } });
  for (const [at, text] of ["bbbbbb", "ddddd"].entries()) {
    const item = batch.items[at];
    const response = await app.stores.fetch(`${batch.base}${item?.path}?${batch.query}&X-Amz-Signature=${item?.signature}`);
    assert.equal(await response.text(), text);
  }
});

test("all ranks ask at once, over and over: one revision, and whoever comes too early is told to ask again", async () => {
  const app = await ground();
  const ranks = ranksOf(app);
  const upload = await sealAll(app);
  const outcomes = await Promise.all(Array.from({ length: 40 }, (_, at) => codeOf(ranks[at % 4]?.rank.commit(upload) ?? Promise.reject())));
  assert.deepEqual(
    [...new Set(outcomes)].filter((outcome) => outcome !== "OK" && outcome !== "SESSION_BUSY"),
    [],
  );
  assert.ok(outcomes.includes("OK"));
  for (const { rank } of ranks) assert.equal((await rank.commit(upload)).seq, 1);
  assert.equal(await logLength(app), 1);
});

test("while a part is missing nothing is committed, and the answer names every part that is", async () => {
  const app = await ground();
  const { rank } = ranksOf(app)[1] ?? assert.fail();
  const upload = await sealAll(app, "job-1", [0, 2, 3]);
  const refusal = await refusalOf(rank.commit(upload), "PARTS_MISSING");
  assert.deepEqual([refusal.details["missing"], refusal.details["parts"]], ["0, 2-3", 4]);
  assert.equal(await logLength(app), 0);
  await sealAll(app, "job-1", [1, 2]);
  assert.equal((await refusalOf(rank.commit(upload), "PARTS_MISSING")).details["missing"], "2");
  assert.equal(await codeOf(app.admin.call("resolve", { repository: MODEL, params: { ref: "main" } })), "REF_UNKNOWN");
  await sealAll(app, "job-1", [0, 1, 3]);
  assert.equal((await rank.commit(upload)).fileCount, 6);
});

test("two ranks that claim one part: the same files are fine, other files are refused, and the first stays", async () => {
  const app = await ground();
  const [first, same, other] = [rankOf(app), rankOf(app), rankOf(app)];
  const upload = await first.bring({ a: "first", b: "" });
  await same.bring({ b: "", a: "first" });
  for (const files of [{ a: "other", b: "" }, { a: "first" }, { a: "first", b: "", c: "" }, {}])
    assert.equal(await codeOf(other.bring(files)), "PART_TAKEN");
  const { manifest } = await app.admin.call("manifest", {
    repository: MODEL,
    params: { ref: (await other.commit(upload)).revision },
  });
  assert.deepEqual(
    manifest.files.map((file) => [file.path, file.mode === "link" ? 0 : file.size]),
    [
      ["a", 5],
      ["b", 0],
    ],
  );
  assert.equal(await codeOf(other.bring({ a: "other" })), "PART_TAKEN", "also once it is committed");
});

test("20 ranks race for one part with contents of their own: one gets it, 19 are refused", async () => {
  const app = await ground();
  const racers = Array.from({ length: 20 }, (_, at) => ({ rank: rankOf(app), files: { model: `content of racer ${at}` } }));
  const { upload } = await rankOf(app).join();
  for (const { rank, files } of racers) await rank.send(upload, files);
  const outcomes = await Promise.all(racers.map(({ rank, files }) => codeOf(rank.seal(upload, files))));
  assert.deepEqual(outcomes.toSorted(), ["OK", ...Array.from({ length: 19 }, () => "PART_TAKEN")]);
  await rankOf(app).commit(upload);
  const { manifest } = await app.admin.call("manifest", { repository: MODEL, params: { ref: "main" } });
  const [file] = manifest.files;
  const winner = racers[outcomes.indexOf("OK")]?.files.model ?? "";
  assert.equal(file?.mode === "link" ? null : file?.sha256, digestOf(winner));
});

test("a path that two parts have with other content is refused by name, as are paths that can't stand in one tree", async () => {
  const table = [
    { shares: [{ same: "x", a: "1" }, { same: "y" }, { b: "2" }], code: "PATH_TAKEN", details: { path: "same", part: 0, other: 1 } },
    { shares: [{ a: "1" }, { "config.json": "{}" }, { "Config.json": "{}" }], code: "PATH_UNSAFE", details: { path: "Config.json" } },
    { shares: [{ "a/b": "1" }, {}, { a: "2" }], code: "PATH_UNSAFE", details: { path: "a/b" } },
  ] as const;
  for (const { shares, code, details } of table) {
    const app = await ground();
    const ranks = ranksOf(app, "job-1", shares as never);
    let upload = "";
    for (const { rank, files } of ranks) upload = await rank.bring(files);
    for (const { rank } of ranks) {
      const refusal = await refusalOf(rank.commit(upload), code);
      for (const [key, value] of Object.entries(details)) assert.equal(refusal.details[key], value);
    }
    assert.equal(await logLength(app), 0);
  }
});

test("the first to join decides branch and number of parts; whoever says otherwise is told both", async () => {
  const app = await ground();
  const { upload } = await rankOf(app, { parts: 4 }).join();
  const parts = await refusalOf(rankOf(app, { parts: 8 }).join(), "SESSION_DISAGREES");
  assert.match(parts.message, /job-1 was opened with parts 4, not 8/);
  const branch = await refusalOf(rankOf(app, { parts: 4, branch: refName("other") }).join(), "SESSION_DISAGREES");
  assert.match(branch.message, /opened with branch main, not other/);
  assert.equal((await rankOf(app, { parts: 4 }).join()).upload, upload);
  assert.equal(await codeOf(rankOf(app, { parts: 4, part: 4 }).seal(upload, {})), "REQUEST_INVALID");
  assert.notEqual((await rankOf(app, { session: "job-2", parts: 8 }).join()).upload, upload);
});

test("racing to open a session, 20 callers get the same upload, or are told that they disagree", async () => {
  const app = await ground();
  const racers = Array.from({ length: 20 }, (_, at) => rankOf(app, { parts: at % 2 === 0 ? 2 : 3 }));
  const outcomes = await Promise.allSettled(racers.map((rank) => rank.join()));
  const joined = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  assert.equal(joined.length, 10);
  assert.equal(new Set(joined.map(({ upload }) => upload)).size, 1);
});

test("everybody who may push shares the session; who may only pull, or comes from another repository, does not", async () => {
  const app = await ground();
  const scopes = { repositories: "team/*", actions: ["pull" as const, "push" as const] };
  const members = await Promise.all(SHARES.map(() => app.member(scopes)));
  const ranks = ranksOf(app).map(({ files }, part) => ({ files, rank: rankOf(app, { part, parts: 4, client: members[part] as never }) }));
  let upload = "";
  for (const { rank, files } of ranks) upload = await rank.bring(files);
  const reader = rankOf(app, { parts: 4, client: await app.member({ repositories: "team/*", actions: ["pull"] }) });
  for (const call of [() => reader.join(), () => reader.seal(upload, {}), () => reader.commit(upload), () => reader.abort(upload)])
    assert.equal(await codeOf(call()), "PERMISSION_DENIED");
  assert.equal(await codeOf(reader.client.call("listSessions", { repository: MODEL })), "PERMISSION_DENIED");
  const repository = repositoryName("other/model");
  await new Pusher(app.admin, app.stores.fetch).create(repository);
  const stranger = rankOf(app, { repository, parts: 4 });
  for (const call of [() => stranger.seal(upload, {}), () => stranger.commit(upload), () => stranger.abort(upload)])
    assert.equal(await codeOf(call()), "UPLOAD_UNKNOWN");
  assert.notEqual((await stranger.join()).upload, upload);
  assert.equal((await ranks[3]?.rank.commit(upload))?.fileCount, 6);
});

test("a shared upload is committed as a session only, and a session is no other upload", async () => {
  const app = await ground();
  const rank = rankOf(app);
  const upload = await rank.bring({ a: "1" });
  assert.equal(await codeOf(rank.pusher.commit(MODEL, upload, { a: "1" }, { parent: null })), "REQUEST_INVALID");
  const own = (await rank.pusher.open(MODEL)).upload;
  for (const call of [() => rank.seal(own, {}), () => rank.commit(own), () => rank.abort(own)])
    assert.equal(await codeOf(call()), "REQUEST_INVALID");
  assert.equal(await logLength(app), 0);
});

test("a part takes only what is proven: chunks, recipes, paths; a part may also be empty", async () => {
  const app = await ground();
  const rank = rankOf(app, { parts: 2 });
  const { upload } = await rank.join();
  const unproven = await refusalOf(rank.seal(upload, { a: "never sent" }), "CHUNK_UNPROVEN");
  assert.deepEqual(unproven.details["chunks"], [digestOf("never sent")]);
  const seal = (files: unknown) =>
    codeOf(
      rank.client.call("sealPart", {
        repository: MODEL,
        params: { upload, part: "0" },
        body: { files, operationId: "0123456789abcdef" } as never,
      }),
    );
  const content = { mode: "file", size: 4, sha256: digestOf("aaaa") };
  assert.equal(await seal([{ ...content, path: "a", recipe: digestOf("no recipe") }]), "RECIPE_UNPROVEN");
  assert.equal(await seal([{ ...content, path: "../a", chunk: content.sha256 }]), "PATH_UNSAFE");
  assert.equal(await seal([{ ...content, path: "a" }]), "MANIFEST_INVALID");
  assert.equal(await seal([]), "OK");
  const other = rankOf(app, { part: 1, parts: 2 });
  await other.bring({ b: "2" });
  assert.equal((await other.commit(upload)).fileCount, 1);
});

test("without a parent a session lands on whatever head the branch has; with one, only on that, and stays open when it moved", async () => {
  const app = await ground();
  const rank = rankOf(app);
  const upload = await rank.bring({ a: "1" });
  const { revision } = await rank.pusher.push(MODEL, { b: "2" });
  assert.equal((await rank.commit(upload)).parent, revision.revision);
  const strict = rankOf(app, { session: "job-2" });
  const second = await strict.bring({ a: "3" });
  assert.equal(await codeOf(strict.commit(second, { parent: revision.revision })), "BRANCH_MOVED");
  assert.equal(await codeOf(strict.commit(second, { parent: null })), "BRANCH_MOVED");
  const { sessions } = await app.admin.call("listSessions", { repository: MODEL });
  assert.deepEqual(
    sessions.map(({ session, sealed }) => [session, sealed]),
    [["job-2", [0]]],
  );
  await strict.abort(second);
});

test("sessions are listed while they are open, the newest first, with the parts that are sealed", async () => {
  const app = await ground();
  await sealAll(app, "first", [1]);
  app.clock.advance(1000);
  const committed = await sealAll(app, "committed");
  await rankOf(app).commit(committed);
  const aborted = await sealAll(app, "aborted", [0]);
  await rankOf(app).abort(aborted);
  app.clock.advance(1000);
  await rankOf(app, { session: "second", parts: 2, branch: refName("exp/2") }).join();
  const list = () => app.admin.call("listSessions", { repository: MODEL });
  const { sessions } = await list();
  assert.deepEqual(
    sessions.map(({ session, branch, parts, sealed, openedBy }) => ({ session, branch, parts, sealed, openedBy })),
    [
      { session: "second", branch: "exp/2", parts: 2, sealed: [], openedBy: "bootstrap" },
      { session: "first", branch: "main", parts: 4, sealed: [0, 2, 3], openedBy: "bootstrap" },
    ],
  );
  await rankOf(app).abort(sessions[1]?.upload ?? "");
  assert.deepEqual(
    (await list()).sessions.map(({ session }) => session),
    ["second"],
  );
  app.clock.advance(7 * 86_400_000 + 1);
  assert.deepEqual(await list(), { sessions: [] });
});
