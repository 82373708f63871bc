/**
 * The requests of `ollama pull` as its real client made them (ollama-0.17.4.json: recorded, nothing added): the same methods and headers in
 * the same order for each blob, on other files. Parts are as many as were recorded, for Ollama's own begin at 100 MB.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

type Fetch = (url: string, init?: RequestInit) => Promise<Response>;
type Layer = { mediaType: string; digest: string; size: number };
type Recorded = { method: string; url: string; headers: Record<string, string>; status: number; location?: string };
export type Pulled = { config: Record<string, unknown>; layers: { mediaType: string; bytes: Buffer }[]; requests: string[] };

const FILE = new URL("ollama-0.17.4.json", import.meta.url);
const { requests: RECORDED } = JSON.parse(readFileSync(FILE, "utf8")) as { requests: Recorded[] };

const [MANIFEST, ...OF_BLOBS] = RECORDED;
/** Of the first layer: HEAD, GET, and its parts. */
const [HEAD, GET, ...PARTS] = OF_BLOBS.slice(
  0,
  OF_BLOBS.findIndex(({ method }, at) => at > 0 && method === "HEAD"),
);

export async function ollamaPull(fetch: Fetch, base: string, name: string, tag: string): Promise<Pulled> {
  const requests: string[] = [];
  const ask = (as: Recorded | undefined, url: string, headers: Record<string, string> = {}) => {
    assert.ok(as !== undefined);
    requests.push(`${as.method} ${new URL(url).pathname.replace(/[0-9a-f]{64}/, "…")}`);
    const { host: _, range: __, ...recorded } = as.headers;
    return fetch(url, { method: as.method, redirect: "manual", headers: { ...recorded, ...headers } });
  };
  const manifest = await ask(MANIFEST, `${base}/v2/${name}/manifests/${tag}`);
  assert.equal(manifest.status, MANIFEST?.status, await manifest.clone().text());
  const { config, layers } = (await manifest.json()) as { config: Layer; layers: Layer[] };
  const blobs: Buffer[] = [];
  for (const layer of [...layers, config]) blobs.push(await blobOf(ask, `${base}/v2/${name}/blobs/${layer.digest}`, layer));
  return {
    config: JSON.parse(String(blobs.at(-1))) as Record<string, unknown>,
    layers: layers.map(({ mediaType }, at) => ({ mediaType, bytes: blobs[at] ?? Buffer.alloc(0) })),
    requests,
  };
}

type Ask = (as: Recorded | undefined, url: string, headers?: Record<string, string>) => Promise<Response>;

async function blobOf(ask: Ask, url: string, { digest, size }: Layer): Promise<Buffer> {
  const head = await ask(HEAD, url);
  assert.deepEqual([head.status, head.headers.get("content-length")], [HEAD?.status, String(size)]);
  const redirect = await ask(GET, url);
  assert.equal(redirect.status, GET?.status);
  const direct = new URL(redirect.headers.get("location") ?? "");
  assert.notEqual(direct.hostname, new URL(url).hostname, "Ollama follows to the same name, and then finds no Location");
  const partBytes = Math.ceil(size / PARTS.length);
  const parts = await Promise.all(
    PARTS.map(async (as, at) => {
      const [start, end] = [at * partBytes, Math.min(size, (at + 1) * partBytes) - 1];
      if (end < start) return Buffer.alloc(0);
      const answer = await ask(as, direct.href, { range: `bytes=${start}-${end}` });
      assert.equal(answer.status, as.status);
      return Buffer.from(await answer.arrayBuffer());
    }),
  );
  const bytes = Buffer.concat(parts);
  assert.equal(`sha256:${createHash("sha256").update(bytes).digest("hex")}`, digest);
  return bytes;
}
