/** What tickets and downloads must be: good for one thing, and for nothing else. On memory and on every S3 that there is. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { CHUNK_PREFIX, chunkPath } from "../../functions/registry/layout.ts";
import type { ChunkPlace } from "../../functions/registry/ports.ts";
import { TICKET_SECONDS, type TicketMode } from "../../shared/contract/uploads.ts";
import { Digest } from "../../shared/digest.ts";
import { downloadUrl, type SignedRequest, ticketRequest } from "../../shared/tickets.ts";
import { MiB } from "../../shared/units.ts";
import { ATTACKS, type Attack, sendRaw } from "../support/attacks.ts";
import type { Stand } from "../support/storage-stands.ts";

type Chunk = { body: Uint8Array<ArrayBuffer>; place: ChunkPlace; key: string };

/** `reach`: what the store is. `modes`: what its probe must prove, no more and no less. */
export type TicketSuiteOptions = {
  reach: "memory" | "store" | "network";
  modes: readonly TicketMode[];
  open: () => Promise<Stand | { reason: string }>;
};

const BODY_BYTES = 700;
const REACHES = { memory: ["memory"], store: ["memory", "store"], network: ["memory", "store", "network"] };

export function ticketSuite(name: string, { reach, modes, open }: TicketSuiteOptions): void {
  describe(`tickets on ${name}`, () => {
    let stand: Stand | { reason: string };
    before(async () => {
      stand = await open();
    });
    after(async () => {
      if ("close" in stand) await stand.close();
    });
    const guarantee = (title: string, act: (stand: Stand, tell: (text: string) => void) => Promise<void>): void => {
      test(title, async (t) => {
        if ("reason" in stand) return t.skip(stand.reason);
        await act(stand, (text) => t.diagnostic(`${name}: ${text}`));
      });
    };

    guarantee(`the probe proves the modes ${modes.join(", ")}`, async ({ store }) => {
      const probe = await store.probe();
      assert.deepEqual(probe.modes, modes);
      assert.deepEqual([probe.createOnly, probe.listAfterPut, probe.rangeReads], [true, true, true]);
      assert.deepEqual(await store.probed(), probe);
    });
    for (const mode of modes) {
      guarantee(`${mode}: the right body is stored, and a replay changes nothing`, async (it) => {
        const chunk = makeChunk();
        const ticket = await ticketFor(it, mode, chunk);
        assert.equal(await put(it, ticket, chunk.body), 200);
        assert.equal(await put(it, ticket, chunk.body), 412, "a replay of the same ticket");
        assert.equal(await put(it, await ticketFor(it, mode, chunk), chunk.body), 412, "a new ticket for the same key");
        assert.deepEqual(await stored(it, chunk), Buffer.from(chunk.body));
        const { sha256, size } = chunk.place;
        assert.deepEqual(await it.store.chunks.content(chunk.place), { sha256, sizeBytes: size });
        assert.equal(await it.store.chunks.content({ ...chunk.place, tag: "f".repeat(16) }), null);
      });
      guarantee(`${mode}: of 8 uses of one ticket at once exactly one stores`, async (it) => {
        const chunk = makeChunk();
        const ticket = await ticketFor(it, mode, chunk);
        const statuses = await Promise.all(Array.from({ length: 8 }, () => put(it, ticket, chunk.body)));
        assert.deepEqual(statuses.sort(), [200, ...Array(7).fill(412)]);
      });
      guarantee(`${mode}: a body of 20 MiB with one wrong byte at its end leaves nothing`, async (it) => {
        const chunk = makeChunk(20 * MiB);
        const ticket = await ticketFor(it, mode, chunk);
        const wrong = chunk.body.slice();
        wrong[wrong.length - 1] = (wrong.at(-1) ?? 0) ^ 1;
        assert.equal(await put(it, ticket, wrong), 400);
        assert.deepEqual(await it.store.chunks.lengths([chunk.place]), [null]);
        assert.equal(await put(it, ticket, chunk.body), 200);
        assert.deepEqual(await it.store.chunks.lengths([chunk.place]), [20 * MiB]);
      });
      guarantee(`${mode}: no hostile use of a ticket stores, reads or removes anything`, async (it, tell) => {
        const attacks = ATTACKS.filter(
          (attack) => (attack.modes ?? [mode]).includes(mode) && REACHES[reach].includes(attack.needs ?? "memory"),
        );
        const succeeded: string[] = [];
        for (const attack of attacks) succeeded.push(...(await attackWith(it, mode, attack)));
        tell(`${mode}: ${attacks.length - succeeded.length} of ${attacks.length} hostile uses refused`);
        assert.deepEqual(succeeded, []);
      });
    }
    guarantee("a download reads its chunk, whole and in ranges, and nothing else", async (it, tell) => downloads(it, tell));
    guarantee("lengths tell what is there, and null for what is not", async (it) => {
      const chunks = Array.from({ length: 20 }, () => makeChunk());
      const [mode] = modes;
      if (mode === undefined) throw new Error("the suite needs a mode");
      for (const chunk of chunks.slice(0, 10)) await put(it, await ticketFor(it, mode, chunk), chunk.body);
      const expected = chunks.map((_, at) => (at < 10 ? BODY_BYTES : null));
      assert.deepEqual(await it.store.chunks.lengths(chunks.map(({ place }) => place)), expected);
    });
  });
}

/** The attack's name when it did anything at all; nothing when it was refused and the ticket is still good for its own purpose. */
async function attackWith(it: Stand, mode: TicketMode, attack: Attack): Promise<string[]> {
  const [chunk, otherChunk] = [makeChunk(), makeChunk()];
  const victimKey = `sys/log/${randomBytes(6).toString("hex")}.json`;
  const secret = randomBytes(BODY_BYTES);
  await it.store.bucket.put(victimKey, secret);
  it.clock.offsetMs = -(attack.laterMs ?? 0);
  const ticket = await ticketFor(it, mode, chunk);
  const otherTicket = await ticketFor(it, mode, otherChunk);
  it.clock.offsetMs = 0;
  const root = ticket.url.slice(0, ticket.url.indexOf(CHUNK_PREFIX));
  const { bucket, prefix } = it.store.profile;
  const victim = { url: root + victimKey, copySource: `/${bucket}/${prefix}${victimKey}` };
  const sent = attack.make(ticket, { right: chunk.body, other: otherChunk.body, otherTicket, victim });
  const status = sent.raw === true ? await sendRaw(sent) : await send(it, sent);

  const problems: string[] = [];
  if (status < 400) problems.push(`answered ${status}`);
  const left = await Promise.all([chunk, otherChunk].map((each) => stored(it, each)));
  if (left.some((bytes) => bytes !== null)) problems.push("stored something");
  if (Buffer.compare((await it.store.bucket.get(victimKey)) ?? Buffer.alloc(0), secret) !== 0) problems.push("changed an object of others");
  // What was refused must have been the misuse, not a ticket that is good for nothing.
  const good = attack.laterMs === undefined ? await put(it, ticket, chunk.body) : 200;
  if (good !== 200) problems.push(`then the right use was answered ${good}`);
  return problems.length === 0 ? [] : [`${attack.name}: ${problems.join(", ")}`];
}

async function downloads(it: Stand, tell: (text: string) => void): Promise<void> {
  const [chunk, other] = [makeChunk(), makeChunk()];
  for (const { key, body } of [chunk, other]) await it.store.bucket.put(key, body);
  const url = await downloadOf(it, chunk);
  const whole = await it.fetch(url);
  assert.equal(whole.status, 200);
  assert.deepEqual(Buffer.from(await whole.arrayBuffer()), Buffer.from(chunk.body));
  for (const [from, to] of [
    [0, 0],
    [10, 99],
    [BODY_BYTES - 1, BODY_BYTES - 1],
  ] as const) {
    const part = await it.fetch(url, { headers: { range: `bytes=${from}-${to}` } });
    assert.equal(part.status, 206);
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), Buffer.from(chunk.body.subarray(from, to + 1)));
  }
  assert.equal((await it.fetch(await downloadOf(it, makeChunk()))).status, 404, "a chunk that is not there");

  it.clock.offsetMs = -(TICKET_SECONDS + 60) * 1000;
  const expired = await downloadOf(it, chunk);
  it.clock.offsetMs = 0;
  const otherUrl = await downloadOf(it, other);
  const misuses: [name: string, url: string, init: RequestInit][] = [
    ["another key", swapPath(url, otherUrl), {}],
    ["HEAD", url, { method: "HEAD" }],
    ["PUT", url, { method: "PUT", body: other.body }],
    ["DELETE", url, { method: "DELETE" }],
    ["a parameter added", `${url}&x=1`, {}],
    ["another content type", url.replace("octet-stream", "javascript"), {}],
    ["expired", expired, {}],
    ["no signature", url.replace(/&X-Amz-Signature=.*$/, ""), {}],
  ];
  const succeeded: string[] = [];
  for (const [name, misused, init] of misuses) {
    const answer = await it.fetch(misused, init);
    await answer.arrayBuffer();
    if (answer.status < 400) succeeded.push(`${name}: answered ${answer.status}`);
  }
  tell(`downloads: ${misuses.length - succeeded.length} of ${misuses.length} hostile uses refused`);
  assert.deepEqual(succeeded, []);
  assert.deepEqual(await stored(it, chunk), Buffer.from(chunk.body), "nothing was removed or replaced");
}

function makeChunk(sizeBytes = BODY_BYTES): Chunk {
  const body = new Uint8Array(sizeBytes);
  body.set(randomBytes(sizeBytes));
  const sha256 = Digest.parse(createHash("sha256").update(body).digest("hex"));
  const tag = randomBytes(8).toString("hex");
  const md5 = createHash("md5").update(body).digest("base64");
  return { body, place: { sha256, size: sizeBytes, tag, md5 }, key: CHUNK_PREFIX + chunkPath(sha256, tag) };
}

async function ticketFor({ store }: Stand, mode: TicketMode, { place }: Chunk): Promise<SignedRequest> {
  const batch = await store.chunks.tickets(mode, [place]);
  const [item] = batch.items;
  if (item === undefined) throw new Error("a batch of one has one ticket");
  return ticketRequest(batch, item);
}

async function downloadOf({ store }: Stand, { place }: Chunk): Promise<string> {
  const batch = await store.chunks.downloads([place]);
  const [item] = batch.items;
  if (item === undefined) throw new Error("a batch of one has one item");
  return downloadUrl(batch, item);
}

function put(it: Stand, { url, headers }: SignedRequest, body: Uint8Array<ArrayBuffer>): Promise<number> {
  return send(it, { method: "PUT", url, headers, body });
}

async function send(
  it: Stand,
  { method = "PUT", url, headers, body }: { method?: string; url: string; headers: Record<string, string>; body?: Uint8Array<ArrayBuffer> },
): Promise<number> {
  const answer = await it.fetch(url, { method, headers, ...(body === undefined ? {} : { body }), redirect: "manual" });
  await answer.arrayBuffer();
  return answer.status;
}

async function stored({ store }: Stand, { key }: Chunk): Promise<Buffer | null> {
  const bytes = await store.bucket.get(key);
  return bytes === null ? null : Buffer.from(bytes);
}

function swapPath(url: string, from: string): string {
  return `${from.split("?")[0]}?${url.split("?")[1]}`;
}
