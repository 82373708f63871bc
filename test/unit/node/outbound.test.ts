/** S8 on Node: whatever a URL or a name server says, nothing connects to an address that is not public. A canary counts connections. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { nodeOutbound } from "../../../functions/node/outbound.ts";

type Lookup = Parameters<typeof nodeOutbound>[1];

let canary: Server;
let port = 0;
let connections = 0;
before(async () => {
  canary = createServer((request, response) => {
    if (request.url === "/to-localhost") response.writeHead(302, { location: `http://localhost:${port}/inside` });
    else response.writeHead(request.url === "/busy" ? 503 : 200, { "retry-after": "7" });
    response.end("x".repeat(100_000));
  });
  canary.on("connection", () => connections++);
  canary.listen(0, "127.0.0.1");
  await once(canary, "listening");
  port = (canary.address() as AddressInfo).port;
});
after(() => {
  canary.closeAllConnections();
  canary.close();
});

const post = (url: string) => ({ url, headers: { "content-type": "application/json" }, body: "{}", timeoutMs: 2_000 });

/** A name server that answers with these addresses, one list after another. */
function answering(...lists: string[][]): Lookup {
  let asked = 0;
  const lookup = (_: string, __: unknown, done: (error: null, addresses: { address: string; family: number }[]) => void) => {
    const list = lists[Math.min(asked++, lists.length - 1)] ?? [];
    done(
      null,
      list.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    );
  };
  return lookup as unknown as Lookup;
}

test("spellings of this machine and names that lead to it: no connection", async () => {
  connections = 0;
  const literals = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "localhost",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "0.0.0.0",
    "[::]",
  ];
  for (const host of literals) {
    for (const scheme of ["https", "http"])
      assert.ok("problem" in (await nodeOutbound([]).post(post(`${scheme}://${host}:${port}/`))), host);
  }
  const leads = [
    ["127.0.0.1"],
    ["::1"],
    ["::ffff:127.0.0.1"],
    ["10.0.0.1"],
    ["169.254.169.254"],
    ["8.8.8.8", "127.0.0.1"],
    ["fd00::1"],
    [],
  ];
  for (const list of leads) {
    const posted = await nodeOutbound([], answering(list)).post(post(`https://hooks.team.dev:${port}/`));
    assert.deepEqual(posted, { problem: "its name leads to an address that is not public" }, list.join());
  }
  assert.equal(connections, 0);
});

test("a name that leads elsewhere when it is asked again is not asked again: the address that was judged is the one", async () => {
  connections = 0;
  // The first answer is a public address that leads nowhere from here; every later one is the canary's.
  const rebinding = answering(["2606:4700::1111"], ["127.0.0.1"], ["127.0.0.1"]);
  const posted = await nodeOutbound([], rebinding).post({ ...post(`https://hooks.team.dev:${port}/`), timeoutMs: 500 });
  assert.ok("problem" in posted);
  assert.equal(connections, 0);
});

test("a host that the deployment names is asked, as it answers; a redirect is not followed, a long answer not read", async () => {
  connections = 0;
  const outbound = nodeOutbound(["127.0.0.1"]);
  assert.deepEqual(await outbound.post(post(`http://127.0.0.1:${port}/`)), { status: 200, retryAfterSeconds: 7 });
  assert.deepEqual(await outbound.post(post(`http://127.0.0.1:${port}/busy`)), { status: 503, retryAfterSeconds: 7 });
  assert.equal(connections, 2);
  assert.deepEqual(await outbound.post(post(`http://127.0.0.1:${port}/to-localhost`)), { status: 302, retryAfterSeconds: null });
  assert.equal(connections, 3);
});

test("a receiver that takes a connection and says nothing is left when the time is over", async () => {
  const silent = createServer(() => {});
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`;
  assert.deepEqual(await nodeOutbound(["127.0.0.1"]).post({ ...post(url), timeoutMs: 100 }), { problem: "no answer within 100 ms" });
  silent.closeAllConnections();
  silent.close();
});
