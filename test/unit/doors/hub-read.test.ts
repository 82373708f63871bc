import assert from "node:assert/strict";
import { test } from "node:test";
import { hubApp } from "../../support/hub/hub-app.ts";
import { operationId, repositoryName } from "../../support/memory-app.ts";
import { digestOf, Pusher } from "../../support/pusher.ts";

const NAME = "team/model";
const FILES = { "config.json": '{"a":1}', "sub/a.txt": "aaaa", "sub/deep/b.txt": "bbbb", empty: "" };

async function world(options: Parameters<typeof hubApp>[0] = {}) {
  const hub = await hubApp(options);
  const pusher = new Pusher(hub.app.clientFor(hub.token), hub.app.stores.fetch);
  await pusher.create(repositoryName(NAME));
  const pushed = await pusher.push(repositoryName(NAME), FILES);
  return { hub, revision: pushed.revision.revision };
}

test("HEAD of a file answers 200 with all that clients look for, and never a redirect", async () => {
  const { hub, revision } = await world();
  const answer = await hub.ask("HEAD", `/${NAME}/resolve/main/config.json`);
  const etag = `"${digestOf(FILES["config.json"])}"`;
  assert.equal(answer.status, 200);
  const wanted = {
    "x-repo-commit": revision,
    etag,
    "x-linked-etag": etag,
    "x-linked-size": "7",
    "content-length": "7",
    "accept-ranges": "bytes",
  };
  for (const [name, value] of Object.entries(wanted)) assert.equal(answer.headers.get(name), value, name);
  assert.match(answer.headers.get("cache-control") ?? "", /no-transform/);
  assert.equal(answer.headers.get("location"), null);
});

test("GET of a file of one chunk is a redirect to the store with the file's bytes, which no cache keeps; an empty file is answered here", async () => {
  const { hub } = await world();
  const answer = await hub.ask("GET", `/${NAME}/resolve/main/sub/a.txt`);
  assert.equal(answer.status, 302);
  assert.equal(answer.headers.get("cache-control"), "no-store");
  assert.equal(await (await hub.app.stores.fetch(answer.headers.get("location") ?? "")).text(), "aaaa");
  const empty = await hub.ask("GET", `/${NAME}/resolve/main/empty`);
  assert.deepEqual([empty.status, await empty.text(), empty.headers.get("content-length")], [200, "", "0"]);
});

test("an unsatisfiable range is 416 with the size, a file that the client has is 304", async () => {
  const { hub } = await world();
  const path = `/${NAME}/resolve/main/sub/a.txt`;
  const far = await hub.ask("GET", path, { headers: { range: "bytes=4-" } });
  assert.deepEqual([far.status, far.headers.get("content-range")], [416, "bytes */4"]);
  assert.equal((await hub.ask("GET", path, { headers: { "if-none-match": `"${digestOf("aaaa")}"` } })).status, 304);
});

const REFUSALS: [what: string, path: string, token: "own" | "none" | "bad" | "stranger", status: number, code: string | null][] = [
  ["a repository that isn't there", "/team/none/resolve/main/x", "own", 404, "RepoNotFound"],
  ["one that the caller may not see", `/${NAME}/resolve/main/config.json`, "stranger", 404, "RepoNotFound"],
  ["a revision that isn't there", `/${NAME}/resolve/nope/config.json`, "own", 404, "RevisionNotFound"],
  ["a pull request", `/${NAME}/resolve/refs%2Fpr%2F1/config.json`, "own", 404, "RevisionNotFound"],
  ["a file that isn't there", `/${NAME}/resolve/main/nope`, "own", 404, "EntryNotFound"],
  ["a folder that isn't there", `/api/models/${NAME}/tree/main/nope`, "own", 404, "EntryNotFound"],
  ["no token", `/api/models/${NAME}`, "none", 401, "RepoNotFound"],
  ["a wrong token", `/api/models/${NAME}`, "bad", 401, null],
  ["a dataset", "/api/datasets/team/data", "own", 404, "RepoNotFound"],
  ["a name of one part", "/api/models/gpt2", "own", 404, "RepoNotFound"],
];
for (const [what, path, kind, status, code] of REFUSALS) {
  test(`${what} is ${status} ${code ?? "without a code"}, as JSON`, async () => {
    const { hub, revision } = await world();
    const stranger = await hub.tokenFor({ repositories: "other/*", actions: ["pull"] });
    const token = { own: hub.token, none: null, bad: "hf_bad", stranger }[kind];
    const answer = await hub.ask("GET", path, { token });
    assert.deepEqual([answer.status, answer.headers.get("x-error-code")], [status, code]);
    assert.equal(typeof ((await answer.json()) as { error: unknown }).error, "string");
    if (code === "EntryNotFound") assert.equal(answer.headers.get("x-repo-commit"), revision);
  });
}

const TRICKS = ["..%2f..%2fsys%2fformat.json", "%2e%2e/%2e%2e/x", "sub%2f..%2fconfig.json", "config.json%00", "%ff", "//config.json"];
for (const path of TRICKS)
  test(`the path ${path} leads to no file`, async () => {
    const { hub } = await world();
    const { status } = await hub.ask("GET", `/${NAME}/resolve/main/${path}`);
    assert.ok(status === 404 || status === 400, String(status));
  });

test("a blocked repository is 403 in the words that clients know, as soon as nothing is remembered of it", async () => {
  const { hub } = await world();
  await hub.app.admin.call("blockRepository", { repository: repositoryName(NAME), body: { reason: "leak", operationId: operationId() } });
  const answer = await hub.ask("GET", `/${NAME}/resolve/main/config.json`);
  assert.deepEqual([answer.status, answer.headers.get("x-error-message")], [403, "Access to this resource is disabled."]);
});

test("a tree is walked or not, in pages with an absolute next link; paths-info takes a form and JSON", async () => {
  const { hub } = await world();
  const tree = `/api/models/${NAME}/tree/main`;
  const paths = async (answer: Response) => ((await answer.json()) as { path: string }[]).map(({ path }) => path);
  assert.deepEqual(await paths(await hub.ask("GET", tree)), ["config.json", "empty", "sub"]);
  assert.deepEqual(await paths(await hub.ask("GET", `${tree}/sub`)), ["sub/a.txt", "sub/deep"]);
  const all: string[] = [];
  let next: string | undefined = `${tree}?recursive=True&expand=true&limit=2`;
  while (next !== undefined) {
    const answer: Response = await hub.ask("GET", next);
    next = /<(https?:[/][/][^>]+)>;\s+rel="next"/.exec(answer.headers.get("link") ?? "")?.[1];
    all.push(...(await paths(answer)));
  }
  assert.deepEqual(all, ["config.json", "empty", "sub", "sub/a.txt", "sub/deep", "sub/deep/b.txt"]);
  const info = `/api/models/${NAME}/paths-info/main`;
  const form = {
    body: "paths=sub&paths=config.json&paths=zz&expand=false",
    headers: { "content-type": "application/x-www-form-urlencoded" },
  };
  assert.deepEqual(await paths(await hub.ask("POST", info, form)), ["sub", "config.json"]);
  assert.deepEqual(await paths(await hub.ask("POST", info, { body: { paths: ["config.json"], expand: true } })), ["config.json"]);
});

test("a page in a browser may ask, and sees the headers that clients look for", async () => {
  const { hub } = await world();
  const path = `/${NAME}/resolve/main/config.json`;
  const asked = await hub.ask("OPTIONS", path, { token: null, headers: { origin: "https://page.test" } });
  assert.deepEqual([asked.status, asked.headers.get("access-control-allow-origin")], [204, "*"]);
  for (const token of [hub.token, null]) {
    const answer = await hub.ask("GET", path, { token, headers: { origin: "https://page.test" } });
    assert.match(answer.headers.get("access-control-expose-headers") ?? "", /X-Linked-ETag/);
    assert.equal(answer.headers.get("access-control-allow-credentials"), null);
  }
});

test("nothing of Xet is said anywhere", async () => {
  const { hub } = await world();
  for (const path of [
    `/api/models/${NAME}?blobs=true`,
    `/api/models/${NAME}/tree/main?recursive=true&expand=true`,
    `/${NAME}/resolve/main/config.json`,
  ]) {
    const answer = await hub.ask("GET", path);
    assert.doesNotMatch(`${[...answer.headers]} ${await answer.text()}`, /xet/i);
  }
});

test("snapshot_download of 100 files asks the index at most twice for each file, and lists nothing", async (t) => {
  let calls = 0;
  let lists = 0;
  const counted = <T extends object>(port: T): T =>
    new Proxy(port, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return (...input: unknown[]) => {
          calls++;
          const answer: unknown = Reflect.apply(value, target, input);
          return name === "atLeast" ? counted(answer as object) : answer;
        };
      },
    });
  const { hub } = await world({
    decorate(ports) {
      const { home } = ports.stores;
      const list = home.bucket.list.bind(home.bucket);
      home.bucket.list = (...input) => {
        lists++;
        return list(...input);
      };
      const { system, repositories, meters, uses, chunks } = ports;
      return {
        ...ports,
        system: counted(system),
        repositories: counted(repositories),
        meters: counted(meters),
        uses: counted(uses),
        chunks: counted(chunks),
      };
    },
  });
  const files = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`file-${at}`, `content ${at}`]));
  await new Pusher(hub.app.clientFor(hub.token), hub.app.stores.fetch).push(repositoryName(NAME), files);
  [calls, lists] = [0, 0];
  const { sha } = (await (await hub.ask("GET", `/api/models/${NAME}/revision/main`)).json()) as { sha: string };
  const tree = (await (await hub.ask("GET", `/api/models/${NAME}/tree/${sha}?recursive=true`)).json()) as { path: string }[];
  assert.equal(tree.length, 100);
  for (const { path } of tree) {
    assert.equal((await hub.ask("HEAD", `/${NAME}/resolve/${sha}/${path}`)).status, 200);
    assert.equal((await hub.ask("GET", `/${NAME}/resolve/${sha}/${path}`)).status, 302);
  }
  t.diagnostic(`${calls} calls of the index for 100 files, ${lists} lists`);
  assert.ok(calls <= 200, `${calls} calls`);
  assert.equal(lists, 0);
});

test("downloads are in the audit trail with what was read, and refused tries too", async () => {
  const { hub } = await world();
  await hub.ask("GET", `/${NAME}/resolve/main/config.json`);
  const events = hub.app.services.audit;
  await events.flush();
  const page = await hub.app.admin.call("listAudit", { query: {} });
  assert.ok(
    page.events.some(({ act, repository, about }) => act === "hub.download" && repository === NAME && about["path"] === "config.json"),
  );
});
