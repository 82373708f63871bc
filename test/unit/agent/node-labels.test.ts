/** Labels of a Node, by a small stand-in for the cluster's API: it merges patches as RFC 7386 says, and asks for the right token. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { clusterOf, labelOf, NodeLabels } from "../../../scripts/agent/node-labels.ts";
import { RepositoryName, RevisionId } from "../../../shared/names.ts";
import { tempFolder } from "../../support/trees.ts";

const ONE = { repository: RepositoryName.parse("team/llama"), revision: RevisionId.parse("1".repeat(40)) };
const TWO = { repository: RepositoryName.parse("team/qwen"), revision: RevisionId.parse("2".repeat(40)) };

let folder: { path: string; remove: () => void };
let server: Server;
let labels: Record<string, string>;
let asked: string[];
const log: Record<string, unknown>[] = [];
beforeEach(async () => {
  folder = tempFolder();
  [labels, asked] = [{ "kubernetes.io/hostname": "n1", "warm.modelferry.io/team--old": "0".repeat(40) }, []];
  server = createServer(async (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    let body = "";
    for await (const piece of request) body += String(piece);
    if (request.headers.authorization !== "Bearer the-token") return response.writeHead(401).end("{}");
    if (request.method === "PATCH") {
      assert.equal(request.headers["content-type"], "application/merge-patch+json");
      const patch = JSON.parse(body) as { metadata: { labels: Record<string, string | null> } };
      assert.deepEqual(Object.keys(patch), ["metadata"]);
      assert.deepEqual(Object.keys(patch.metadata), ["labels"]);
      for (const [key, value] of Object.entries(patch.metadata.labels)) {
        if (value === null) delete labels[key];
        else labels[key] = value;
      }
    }
    return response.writeHead(200).end(JSON.stringify({ kind: "Node", metadata: { name: "n1", labels } }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  writeFileSync(join(folder.path, "token"), "the-token\n");
});
afterEach(async () => {
  await new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  folder.remove();
});

function make(ready = () => [ONE]): NodeLabels {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return new NodeLabels({ url, node: "n1", accountFolder: folder.path }, ready, (line) => log.push(line));
}

test("the node has a label for each repository that is ready, and none that an agent before it left; others' stay", async () => {
  const node = make();
  await node.update([ONE, TWO]);
  const hostname = { "kubernetes.io/hostname": "n1" };
  assert.deepEqual(labels, { ...hostname, "warm.modelferry.io/team--llama": ONE.revision, "warm.modelferry.io/team--qwen": TWO.revision });
  await node.update([TWO]);
  assert.deepEqual(labels, { ...hostname, "warm.modelferry.io/team--qwen": TWO.revision });
});

test("the cluster is asked only when something changed", async () => {
  const node = make();
  for (let at = 0; at < 3; at++) await node.update([ONE]);
  assert.deepEqual(asked, ["GET /api/v1/nodes/n1", "PATCH /api/v1/nodes/n1"]);
});

test("a cluster that refuses is told of, and tried again; who ends leaves no label", async () => {
  writeFileSync(join(folder.path, "token"), "another");
  const stop = new AbortController();
  const pauses: number[] = [];
  await make().run(async (ms) => {
    pauses.push(ms);
    // The account's token was changed meanwhile, as Kubernetes does.
    writeFileSync(join(folder.path, "token"), "the-token");
    if (pauses.length === 1) return;
    assert.equal(labels["warm.modelferry.io/team--llama"], ONE.revision);
    stop.abort();
  }, stop.signal);
  assert.deepEqual(pauses, [60_000, 5_000]);
  assert.match(JSON.stringify(log), /labels\.failed.*the cluster answered 401/);
  assert.deepEqual(labels, { "kubernetes.io/hostname": "n1" });
});

test("every repository's label is one that Kubernetes takes, and two repositories never share one", () => {
  const names = [
    "a/b",
    "a.b/c",
    "a/b.c",
    "team/llama-3.1_8b",
    `${"n".repeat(40)}/${"m".repeat(60)}`,
    `${"n".repeat(40)}/${"m".repeat(59)}k`,
  ];
  const made = names.map((name) => labelOf(RepositoryName.parse(name)));
  for (const label of made) assert.match(label, /^warm\.modelferry\.io\/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/);
  assert.equal(new Set(made).size, made.length);
});

test("outside of a cluster, or without the node's name, the flag is refused by what is missing", () => {
  assert.throws(() => clusterOf({}), /KUBERNETES_SERVICE_HOST/);
  assert.throws(() => clusterOf({ KUBERNETES_SERVICE_HOST: "10.0.0.1", KUBERNETES_SERVICE_PORT: "443" }), /NODE_NAME/);
  const env = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443", NODE_NAME: "n1" };
  assert.equal(clusterOf(env).url, "https://[fd00::1]:443");
});
