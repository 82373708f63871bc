/** Sources that others name are reached at public addresses alone, wherever they send us on to; keys stay with the host they are for. */
import assert from "node:assert/strict";
import type { lookup } from "node:dns";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { publicFetch } from "../../../scripts/import/public-fetch.ts";

type Lookup = typeof lookup;

let server: Server;
let port = 0;
let asked: { url: string; headers: IncomingHttpHeaders }[] = [];
before(async () => {
  server = createServer((request, response) => {
    const url = request.url ?? "";
    asked.push({ url, headers: request.headers });
    const [, host, path] = /^\/to\/([^/]+)(\/.*)$/.exec(url) ?? [];
    if (host === undefined) response.writeHead(206, { "content-range": "bytes 1-2/9", etag: '"a"' }).end("bc");
    else response.writeHead(302, { location: `http://${decodeURIComponent(host)}${path}` }).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  port = (server.address() as AddressInfo).port;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

/** A name server that says the same of every name. */
function answering(...addresses: string[]): Lookup {
  const answer = addresses.map((address) => ({ address, family: 4 }));
  return ((_: string, __: unknown, done: (error: null, all: typeof answer) => void) => done(null, answer)) as unknown as Lookup;
}

test("what a rule names is reached in private, too, with its range, and says what it is", async () => {
  const { fetch, close } = publicFetch(["127.0.0.1"]);
  const answer = await fetch(`http://127.0.0.1:${port}/a`, { headers: { range: "bytes=1-2" } });
  assert.deepEqual([answer.status, answer.headers.get("content-range"), await answer.text()], [206, "bytes 1-2/9", "bc"]);
  assert.equal(asked.at(-1)?.headers.range, "bytes=1-2");
  const head = await fetch(`http://127.0.0.1:${port}/a`, { method: "HEAD" });
  assert.deepEqual([head.status, head.body, head.headers.get("etag")], [206, null, '"a"']);
  close();
});

for (const [what, url] of [
  ["an address of this machine", () => `http://127.0.0.1:${port}/a`],
  ["the same over TLS", () => `https://127.0.0.1:${port}/a`],
  ["a name of this machine", () => `https://localhost:${port}/a`],
  ["the clouds' metadata", () => "https://169.254.169.254/latest/"],
  ["a name that leads inside", () => `https://inside.example.org:${port}/a`],
  ["anything without TLS", () => "http://host.example.org/a"],
] as const)
  test(`${what} is not reached when nobody has named it`, async () => {
    asked = [];
    const { fetch, close } = publicFetch([], answering("127.0.0.1"));
    await assert.rejects(fetch(url(), {}), (error: Error) => /not a? ?public|https|SOURCE/.test(`${error.message} ${String(error.cause)}`));
    assert.deepEqual(asked, []);
    close();
  });

test("a redirect to a host that nobody has named is not followed", async () => {
  asked = [];
  const { fetch, close } = publicFetch(["127.0.0.1"]);
  await assert.rejects(fetch(`http://127.0.0.1:${port}/to/localhost:${port}/inside`, {}), { code: "SOURCE_UNAVAILABLE" });
  assert.equal(asked.length, 1);
  close();
});

test("a redirect keeps the range and leaves the keys behind when it leads to another host", async () => {
  asked = [];
  const { fetch, close } = publicFetch(["127.0.0.1", "localhost"]);
  const headers = { authorization: "Bearer secret", "x-amz-security-token": "secret", range: "bytes=1-2" };
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/to/127.0.0.1:${port}/same`, { headers })).text(), "bc");
  assert.equal(asked.at(-1)?.headers.authorization, "Bearer secret");
  await (await fetch(`http://127.0.0.1:${port}/to/localhost:${port}/other`, { headers })).text();
  const last = asked.at(-1)?.headers ?? {};
  assert.deepEqual([last.authorization, last["x-amz-security-token"], last.range], [undefined, undefined, "bytes=1-2"]);
  close();
});

test("redirects without an end are given up, and a signal ends a body that is being read", async () => {
  const { fetch, close } = publicFetch(["127.0.0.1"]);
  const again = `127.0.0.1:${port}/to/`.replace("/to/", "");
  const loop = `http://${again}${"/to/".concat(encodeURIComponent(again)).repeat(8)}/end`;
  await assert.rejects(fetch(loop, {}), /too far/);
  const stop = new AbortController();
  stop.abort(new Error("enough"));
  await assert.rejects(fetch(`http://127.0.0.1:${port}/a`, { signal: stop.signal }));
  close();
});
