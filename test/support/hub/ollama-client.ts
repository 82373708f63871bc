/**
 * The requests of `ollama pull`, one by one as server/images.go and server/download.go of Ollama make them: the manifest; for each blob HEAD,
 * GET without following to another host name, ranges from there at the same time and without a token; then the SHA-256.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { MiB } from "../../../shared/units.ts";

type Fetch = (url: string, init?: RequestInit) => Promise<Response>;
type Layer = { mediaType: string; digest: string; size: number };
export type Pulled = { config: Record<string, unknown>; layers: { mediaType: string; bytes: Buffer }[]; requests: string[] };

const MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
const PARTS = 16;
/** As Ollama's, for files of our size: its least part is 100 MB. */
const PART_BYTES = 3 * MiB;

export async function ollamaPull(fetch: Fetch, base: string, name: string, tag: string): Promise<Pulled> {
  const requests: string[] = [];
  const ask: Fetch = (url, init = {}) => {
    requests.push(`${init.method ?? "GET"} ${new URL(url).pathname.replace(/[0-9a-f]{64}/, "…")}`);
    return fetch(url, { redirect: "manual", ...init });
  };
  const manifest = await ask(`${base}/v2/${name}/manifests/${tag}`, { headers: { accept: MANIFEST } });
  assert.equal(manifest.status, 200, await manifest.clone().text());
  const { config, layers } = (await manifest.json()) as { config: Layer; layers: Layer[] };
  const blobs: Buffer[] = [];
  for (const layer of [...layers, config]) blobs.push(await blobOf(ask, `${base}/v2/${name}/blobs/${layer.digest}`, layer));
  return {
    config: JSON.parse(String(blobs.at(-1))) as Record<string, unknown>,
    layers: layers.map(({ mediaType }, at) => ({ mediaType, bytes: blobs[at] ?? Buffer.alloc(0) })),
    requests,
  };
}

async function blobOf(ask: Fetch, url: string, { digest, size }: Layer): Promise<Buffer> {
  const head = await ask(url, { method: "HEAD" });
  assert.deepEqual([head.status, head.headers.get("content-length")], [200, String(size)]);
  const redirect = await ask(url);
  assert.equal(redirect.status, 307);
  const direct = new URL(redirect.headers.get("location") ?? "");
  assert.notEqual(direct.hostname, new URL(url).hostname, "Ollama follows to the same name, and then finds no Location");
  const starts = Array.from({ length: Math.ceil(size / PART_BYTES) }, (_, at) => at * PART_BYTES);
  const parts: Buffer[] = [];
  for (let at = 0; at < starts.length; at += PARTS) {
    const page = starts.slice(at, at + PARTS).map(async (start) => {
      const end = Math.min(size, start + PART_BYTES) - 1;
      const answer = await ask(direct.href, { headers: { range: `bytes=${start}-${end}` } });
      assert.equal(answer.status, 206);
      return Buffer.from(await answer.arrayBuffer());
    });
    parts.push(...(await Promise.all(page)));
  }
  const bytes = Buffer.concat(parts);
  assert.equal(`sha256:${createHash("sha256").update(bytes).digest("hex")}`, digest);
  return bytes;
}
