/** Xet and Ollama on a registry, as the Node server opens them. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { createApp } from "../../../functions/app.ts";
import { elsewhere } from "../../../functions/doors/huggingface/ollama.ts";
import { framed, termsOf, windowPart } from "../../../functions/doors/huggingface/xet-frames.ts";
import { type Reading, withReading } from "../../../functions/doors/registry-reading.ts";
import { KiB, MiB } from "../../../shared/units.ts";
import { fileLine, type HubApp, hubApp, lfsLine } from "../../support/hub/hub-app.ts";
import { ollamaPull } from "../../support/hub/ollama-client.ts";
import { loadByXet, type XetToken } from "../../support/hub/xet-client.ts";
import { ENDPOINT } from "../../support/memory-app.ts";

const NAME = "team/model";
const MINUTE_MS = 60_000;
const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

type Door = {
  hub: HubApp;
  answer: (request: Request) => Response | Promise<Response>;
  fetch: (url: string, init?: RequestInit) => Promise<Response>;
  get: (path: string, headers?: Record<string, string>) => Promise<Response>;
};

async function doorOf(hub: HubApp, reading: Reading): Promise<Door> {
  const app = createApp(() => hub.app.services);
  const answer = withReading<object>(app, (request, env) => app.fetch(request, env), reading);
  const fetch = async (url: string, init?: RequestInit) => {
    const { hostname } = new URL(url);
    return hostname.endsWith("memory.test") ? hub.app.stores.fetch(url, init) : answer(new Request(url, init), {});
  };
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(path.startsWith("http") ? path : ENDPOINT + path, { headers: { authorization: `Bearer ${hub.token}`, ...headers } });
  return { hub, answer: (request) => answer(request, {}), fetch, get };
}

const big = Buffer.concat([randomBytes(MiB), Buffer.alloc(66 * MiB, "x"), randomBytes(3)]);

/** The last test moves its clock. */
async function world(): Promise<HubApp> {
  const hub = await hubApp();
  await hub.ask("POST", "/api/repos/create", { body: { name: NAME } });
  await hub.upload(NAME, big, sha(big));
  await hub.commit(NAME, [lfsLine("big.bin", sha(big)), fileLine("small.txt", "small")]);
  return hub;
}
const shared = world();

async function tokenOf({ get }: Door): Promise<XetToken> {
  const answer = await get(`/api/models/${NAME}/xet-read-token/main`);
  assert.equal(answer.status, 200);
  const token = (await answer.json()) as XetToken;
  const told = ["x-xet-cas-url", "x-xet-access-token", "x-xet-token-expiration"].map((name) => answer.headers.get(name));
  assert.deepEqual(told, [token.casUrl, token.accessToken, String(token.exp)]);
  return token;
}

test("any range of any file is what its terms give, less the bytes that they say to skip, and no frame too many", async () => {
  const sizes = fc.oneof(fc.integer({ min: 1, max: 40 * MiB }), fc.constantFrom(128 * KiB, 16 * MiB, 16 * MiB + 1, 32 * MiB - 1));
  await fc.assert(
    fc.property(sizes, fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (size, a, b) => {
      const start = Math.floor(a * (size - 1));
      const end = start + 1 + Math.floor(b * (size - start - 1));
      const { skipBytes, terms } = termsOf(size, { start, end });
      let at = start - skipBytes;
      for (const { window, firstByte, lastByte, unpackedBytes, start: first, end: last } of terms) {
        const part = windowPart(size, window, `bytes=${firstByte}-${lastByte}`);
        assert.deepEqual(part?.file, { start: at, end: at + unpackedBytes });
        assert.equal(lastByte + 1 - firstByte, unpackedBytes + 8 * (last - first));
        at += unpackedBytes;
      }
      assert.ok(skipBytes < 128 * KiB && at >= end && at - end < 128 * KiB);
    }),
  );
});

test("frames are the same however the bytes come", async () => {
  const bytes = randomBytes(300 * KiB);
  const cut = (parts: number[]) => {
    const ends = parts.map((_, at) => parts.slice(0, at + 1).reduce((sum, length) => sum + length, 0));
    const slabs = [...ends, bytes.length].map((end, at) => bytes.subarray(ends[at - 1] ?? 0, end));
    return new Response(framed(ReadableStream.from(slabs.filter((slab) => slab.length > 0)), bytes.length)).arrayBuffer().then(Buffer.from);
  };
  const whole = await cut([]);
  assert.equal(whole.length, bytes.length + 3 * 8);
  for (const parts of [[1], [128 * KiB], [128 * KiB - 1, 2], [128 * KiB + 1], [1, 1, 1, 256 * KiB]])
    assert.ok(whole.equals(await cut(parts)));
});

test("a file comes by Xet, in any ranges; what is behind its end is 416; small files are not told of", async () => {
  const door = await doorOf(await shared, { xet: true, ollamaToken: null });
  const head = await door.fetch(`${ENDPOINT}/${NAME}/resolve/main/big.bin`, {
    method: "HEAD",
    headers: { authorization: `Bearer ${door.hub.token}` },
  });
  assert.deepEqual([head.status, head.headers.get("x-xet-hash"), head.headers.get("content-length")], [200, sha(big), String(big.length)]);
  assert.match(
    head.headers.get("link") ?? "",
    /xet-read-token\/[0-9a-f]{40}>; rel="xet-auth", <.*\/v2\/reconstructions\/[0-9a-f]{64}>; rel="xet-/,
  );
  const info = await door.get(`/${NAME}/resolve/main/big.bin`, { accept: "application/vnd.xet-fileinfo+json, */*", range: "bytes=0-0" });
  assert.deepEqual([info.status, info.headers.get("x-linked-size")], [200, String(big.length)]);
  assert.equal((await door.get(`/${NAME}/resolve/main/small.txt`)).headers.get("x-xet-hash"), null);
  const token = await tokenOf(door);
  const fetch = (url: string, headers?: Record<string, string>) => door.fetch(url, headers === undefined ? {} : { headers });
  for (const [start, end] of [
    [0, big.length],
    [0, 1],
    [16 * MiB - 1, 16 * MiB + 1],
    [big.length - 5, big.length],
  ] as const)
    assert.ok((await loadByXet(fetch, token, sha(big), [start, end])).equals(big.subarray(start, end)), `${start}-${end}`);
  const bearer = { authorization: `Bearer ${token.accessToken}` };
  const behind = await fetch(`${token.casUrl}/v2/reconstructions/${sha(big)}`, { ...bearer, range: `bytes=${big.length}-` });
  assert.equal(behind.status, 416);
  assert.equal((await fetch(`${token.casUrl}/v2/reconstructions/${"0".repeat(64)}`, bearer)).status, 404);
  assert.equal((await fetch(`${token.casUrl}/xet/${sha(big)}/0?ticket=${token.accessToken}`, { range: "bytes=5-100" })).status, 416);
  assert.equal((await fetch(`${token.casUrl}/xet/${sha(big)}/99?ticket=${token.accessToken}`)).status, 416);
});

test("where it is off nothing tells of Xet, and its addresses are none", async () => {
  const door = await doorOf(await shared, { xet: false, ollamaToken: null });
  const answer = await door.get(`/${NAME}/resolve/main/big.bin`, { accept: "application/vnd.xet-fileinfo+json, */*", range: "bytes=0-0" });
  assert.deepEqual([answer.status, [...answer.headers.keys()].filter((name) => name.includes("xet") || name === "link")], [206, []]);
  for (const path of [
    `/api/models/${NAME}/xet-read-token/main`,
    `/v2/reconstructions/${sha(big)}`,
    `/xet/${sha(big)}/0`,
    `/v2/${NAME}/manifests/latest`,
  ])
    assert.equal((await door.get(path)).status, 404, path);
  const tree = await (await door.get(`/api/models/${NAME}/tree/main?expand=true`)).text();
  assert.doesNotMatch(tree, /xet/i);
});

test("Ollama pulls a GGUF file and what lies beside it, by latest, a branch, a tag or a part of the file's name", async () => {
  const hub = await hubApp();
  await hub.ask("POST", "/api/repos/create", { body: { name: NAME } });
  const gguf = (fill: string) => {
    const key = Buffer.from("general.architecture");
    const text = Buffer.from("llama");
    const head = Buffer.alloc(24 + 8 + key.length + 4 + 8);
    head.write("GGUF");
    head.writeUInt32LE(3, 4);
    head.writeBigUInt64LE(1n, 16);
    head.writeBigUInt64LE(BigInt(key.length), 24);
    key.copy(head, 32);
    head.writeUInt32LE(8, 32 + key.length);
    head.writeBigUInt64LE(BigInt(text.length), 36 + key.length);
    return Buffer.concat([head, text, Buffer.alloc(20 * MiB, fill)]);
  };
  const [quarter, half] = [gguf("4"), gguf("8")];
  for (const bytes of [quarter, half]) await hub.upload(NAME, bytes, sha(bytes));
  const names = ["tiny-1.5b-Q4_K_M.gguf", "tiny-1.5b-Q8_0.gguf"] as const;
  await hub.commit(NAME, [lfsLine(names[0], sha(quarter)), lfsLine(names[1], sha(half)), fileLine("template", "{{ .Prompt }}")]);
  await hub.ask("POST", `/api/models/${NAME}/tag/main`, { body: { tag: "v1" } });
  const ollamaToken = await hub.tokenFor({ repositories: "team/*", actions: ["pull"] });
  const door = await doorOf(hub, { xet: false, ollamaToken });
  for (const [tag, bytes] of [
    ["latest", quarter],
    ["v1", quarter],
    ["q8_0", half],
  ] as const) {
    const { config, layers, requests } = await ollamaPull(door.fetch, ENDPOINT, NAME, tag);
    assert.deepEqual(
      [config["model_family"], config["file_type"], config["model_type"]],
      ["llama", bytes === half ? "Q8_0" : "Q4_K_M", "1.5B"],
    );
    assert.deepEqual(
      layers.map(({ mediaType }) => mediaType.replace("application/vnd.ollama.image.", "")),
      ["model", "template"],
    );
    assert.ok(layers[0]?.bytes.equals(bytes));
    assert.equal(requests.filter((line) => line.startsWith("HEAD")).length, 3);
  }
  // The store's own name: what Ollama is sent to must have another one than what it asked.
  const beside = await door.answer(new Request(`https://home.memory.test/v2/${NAME}/blobs/sha256:${sha(quarter)}`));
  assert.deepEqual([beside.status, new URL(beside.headers.get("location") ?? "").hostname], [307, "home.memory.test."]);
  assert.equal((await door.fetch(`${ENDPOINT}/v2/${NAME}/manifests/q2_k`)).status, 404);
  assert.equal((await door.fetch(`${ENDPOINT}/v2/other/model/manifests/latest`)).status, 404);
  assert.equal((await door.fetch(`${ENDPOINT}/v2/${NAME}/blobs/sha256:${sha(quarter)}?ticket=x`)).status, 401);
  assert.equal((await door.fetch(`${ENDPOINT}/${NAME}/resolve/main/${names[0]}`)).status, 401, "its token is Ollama's alone");
  const ofPage = await door.fetch(`${ENDPOINT}/v2/${NAME}/manifests/latest`, { headers: { origin: "http://page.test" } });
  assert.equal(ofPage.status, 401, "nor a web page's");
});

test("without the right to read there is no token; a forged or old one opens nothing: 401, and 403 where bytes are", async () => {
  const hub = await shared;
  const door = await doorOf(hub, { xet: true, ollamaToken: null });
  const stranger = await hub.tokenFor({ repositories: "other/*", actions: ["pull"] });
  assert.equal((await door.get(`/api/models/${NAME}/xet-read-token/main`, { authorization: `Bearer ${stranger}` })).status, 404);
  const { casUrl, accessToken } = await tokenOf(door);
  const [payload = "", mac = ""] = accessToken.split(".");
  const other = Buffer.from(String(Buffer.from(payload, "base64url")).replace(NAME, "team/other")).toString("base64url");
  const statuses = async (ticket: string) => [
    (await door.fetch(`${casUrl}/v2/reconstructions/${sha(big)}`, { headers: { authorization: `Bearer ${ticket}` } })).status,
    (await door.fetch(`${casUrl}/xet/${sha(big)}/0?ticket=${ticket}`)).status,
  ];
  for (const ticket of ["", "x", `${payload}.`, `${payload}.${mac}x`, `${other}.${mac}`])
    assert.deepEqual(await statuses(ticket), [401, 403], ticket);
  assert.deepEqual(await statuses(accessToken), [200, 206]);
  hub.app.clock.advance(16 * MINUTE_MS);
  assert.deepEqual(await statuses(accessToken), [401, 403]);
});

for (const [url, hostname] of [
  ["http://127.0.0.1:80/x", "localhost"],
  ["http://localhost:80/x", "127.0.0.1"],
  ["https://ferry.example.com/x", "ferry.example.com."],
  ["http://10.1.2.3:8787/x", "[::ffff:a01:203]"],
] as const)
  test(`${new URL(url).hostname} is also called ${hostname}`, () => assert.equal(new URL(elsewhere(url, "t")).hostname, hostname));
