import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { FerryClient } from "../../../shared/client.ts";
import { DOWNLOAD_PAGE_MAX } from "../../../shared/contract/downloads.ts";
import { Digest } from "../../../shared/digest.ts";
import { RepositoryName, RevisionId } from "../../../shared/names.ts";
import { Links } from "../../../shared/transfer/links.ts";

const CHUNKS = Array.from({ length: 3 * DOWNLOAD_PAGE_MAX }, (_, at) => ({
  sha256: Digest.parse(at.toString(16).padStart(64, "0")),
  size: 1024,
}));

const machine = { nowMs: () => 0, sleep: async () => {}, random: () => 0.5, operationId: () => "operation-0000001" };

/** A registry that signs whatever it is asked for; `pages` are the sizes of what it was asked for. */
function makeLinks(answer: (chunks: string[]) => Response = signed): { links: Links; pages: number[] } {
  const pages: number[] = [];
  const fetch = async (_url: string, init: RequestInit): Promise<Response> => {
    const { chunks } = JSON.parse(String(init.body)) as { chunks: string[] };
    pages.push(chunks.length);
    return answer(chunks);
  };
  const client = new FerryClient({ endpoint: "http://registry.test", fetch, sleep: async () => {}, random: () => 0, attempts: 1 });
  const repository = RepositoryName.parse("team/model");
  const revision = RevisionId.parse("a".repeat(40));
  return { links: new Links({ client, repository, revision, machine, signal: new AbortController().signal }), pages };
}

function signed(chunks: string[]): Response {
  const items = chunks.map((sha256) => ({ sha256, path: `/${sha256}`, size: 1024, signature: "0".repeat(64) }));
  return Response.json({ store: "home", expiresInSeconds: 900, base: "http://store.test", query: "q=1", items });
}

test("the next page of URLs is asked for while half of the last one is unused, so that no chunk waits for it", async () => {
  const { links, pages } = makeLinks();
  links.expect(CHUNKS);
  for (const [at, { sha256 }] of CHUNKS.entries()) {
    await links.get(sha256);
    links.release(sha256);
    const pagesAhead = Math.min(CHUNKS.length / DOWNLOAD_PAGE_MAX, 1 + Math.ceil((at - DOWNLOAD_PAGE_MAX / 2 + 1) / DOWNLOAD_PAGE_MAX));
    assert.equal(pages.length, Math.max(1, pagesAhead), `after ${at + 1} chunks`);
  }
  assert.deepEqual(
    pages,
    CHUNKS.filter((_, at) => at % DOWNLOAD_PAGE_MAX === 0).map(() => DOWNLOAD_PAGE_MAX),
  );
});

test("asking for one chunk's URL again and again asks the registry once", async () => {
  const { links, pages } = makeLinks();
  const [first] = CHUNKS;
  assert.ok(first !== undefined);
  links.expect(CHUNKS.slice(0, 10));
  for (let n = 0; n < 20; n++) await links.get(first.sha256);
  assert.deepEqual(pages, [10]);
});

test("chunks that turned out to be there already bring the next page nearer, too", async () => {
  const { links, pages } = makeLinks();
  links.expect(CHUNKS);
  const [first, ...others] = CHUNKS.slice(0, DOWNLOAD_PAGE_MAX / 2 + 1);
  assert.ok(first !== undefined);
  await links.get(first.sha256);
  for (const { sha256 } of others) links.release(sha256);
  // It is asked for at once, and sent when the call has been put together.
  await nextTurn();
  assert.equal(pages.length, 2);
});

test("a page asked for ahead that fails is told to those who need it, and to nobody else", async () => {
  let answers = 0;
  const { links } = makeLinks((chunks) => (++answers === 1 ? signed(chunks) : new Response("", { status: 502 })));
  links.expect(CHUNKS);
  for (const { sha256 } of CHUNKS.slice(0, DOWNLOAD_PAGE_MAX)) await links.get(sha256);
  const next = CHUNKS[DOWNLOAD_PAGE_MAX];
  assert.ok(next !== undefined);
  await assert.rejects(links.get(next.sha256), { code: "ENDPOINT_UNREACHABLE" });
});
