import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { Ring, type RingMember } from "../../../shared/ring.ts";

const digest = (text: string) => createHash("sha256").update(text).digest("hex");
const CHUNKS = Array.from({ length: 4000 }, (_, at) => digest(`chunk ${at}`));
const nodes = (count: number, zones = 1): RingMember[] =>
  Array.from({ length: count }, (_, at) => ({ id: `node-${at}`, weight: 1, zone: `zone-${at % zones}` }));
const ownersOf = (ring: Ring<RingMember>) => CHUNKS.map((chunk) => ring.owners(chunk, { replicas: 1 })[0]?.id ?? "");

test("a node that joins or leaves moves at most 1.5/N of the chunks, and only its own", () => {
  fc.assert(
    fc.property(fc.integer({ min: 4, max: 40 }), fc.nat(), (count, pick) => {
      const all = nodes(count);
      const gone = all[pick % count];
      const before = ownersOf(new Ring(all));
      const after = ownersOf(new Ring(all.filter((node) => node !== gone)));
      const moved = before.flatMap((owner, at) => (owner === after[at] ? [] : [owner]));
      assert.ok(moved.every((owner) => owner === gone?.id));
      assert.ok(moved.length <= (1.5 / count) * CHUNKS.length, `${moved.length} of ${CHUNKS.length} moved with ${count} nodes`);
    }),
    { numRuns: 25 },
  );
});

test("chunks spread evenly, whatever the nodes are called, and in proportion to their weights", () => {
  for (const name of ["node-", "10.0.0.", "gpu-worker-pool-a-"]) {
    const ring = new Ring(Array.from({ length: 10 }, (_, at) => ({ id: `${name}${at}`, weight: at === 0 ? 3 : 1, zone: "" })));
    const counts = new Map<string, number>();
    for (const owner of ownersOf(ring)) counts.set(owner, (counts.get(owner) ?? 0) + 1);
    for (const { id, weight } of ring.members) {
      const share = ((counts.get(id) ?? 0) * 12) / CHUNKS.length / weight;
      assert.ok(share > 0.8 && share < 1.2, `${id} has ${share} of its share`);
    }
  }
});

test("the order in which members are named decides nothing, and one named twice counts once", () => {
  const all = nodes(12);
  assert.deepEqual(ownersOf(new Ring([...all].reverse().concat(all))), ownersOf(new Ring(all)));
});

test("whoever is asked is better than who asks, also between members who know different rings", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.boolean()), { minLength: 3, maxLength: 20 }), fc.nat(CHUNKS.length - 1), (known, at) => {
      const all = nodes(known.length, 3);
      const chunk = CHUNKS[at] ?? "";
      const rank = new Map(new Ring(all).ranked(chunk, all.length).map((member, place) => [member.id, place]));
      for (const self of all) {
        const ring = new Ring(all.filter((member, index) => member === self || (known[index]?.[0] ?? false)));
        for (const source of ring.sources(chunk, self, 4)) assert.ok((rank.get(source.id) ?? 0) < (rank.get(self.id) ?? 0));
      }
    }),
  );
});

test("a chunk crosses into a zone once: all of a zone ask its best member, which asks the best of all", () => {
  const ring = new Ring(nodes(12, 3));
  for (const chunk of CHUNKS.slice(0, 200)) {
    const order = ring.ranked(chunk, 12);
    const bestOf = (zone: string) => order.find((member) => member.zone === zone);
    for (const self of ring.members) {
      const [first] = ring.sources(chunk, self, 3);
      if (self === order[0]) assert.equal(first, undefined);
      else assert.equal(first, self === bestOf(self.zone) ? order[0] : bestOf(self.zone));
    }
  }
});

test("replicas are in different zones as long as there are zones without one", () => {
  const ring = new Ring(nodes(9, 3));
  for (const chunk of CHUNKS.slice(0, 200)) {
    assert.equal(new Set(ring.owners(chunk, { replicas: 3 }).map(({ zone }) => zone)).size, 3);
    const four = ring.owners(chunk, { replicas: 4 });
    assert.equal(new Set(four.map(({ id }) => id)).size, 4);
  }
});

test("a member that is full is passed over, and takes what nobody else can", () => {
  const ring = new Ring(nodes(4));
  const [chunk = ""] = CHUNKS;
  const [first, second] = ring.ranked(chunk, 2);
  assert.deepEqual(ring.owners(chunk, { replicas: 1, isFull: (member) => member === first }), [second]);
  assert.deepEqual(ring.owners(chunk, { replicas: 1, isFull: () => true }), [first]);
});

test("a bound on load of 1.25 holds with every member's load told, and moves few", () => {
  const ring = new Ring(nodes(10));
  const load = new Map<string, number>();
  const bound = Math.ceil((1.25 * CHUNKS.length) / 10);
  for (const chunk of CHUNKS) {
    const [owner] = ring.owners(chunk, { replicas: 1, isFull: ({ id }) => (load.get(id) ?? 0) >= bound });
    if (owner !== undefined) load.set(owner.id, (load.get(owner.id) ?? 0) + 1);
  }
  assert.ok(Math.max(...load.values()) <= bound);
});

test("an empty ring has no owner, and nobody to ask", () => {
  const ring = new Ring<RingMember>([]);
  assert.deepEqual(ring.owners(CHUNKS[0] ?? "", { replicas: 2 }), []);
  assert.deepEqual(ring.sources(CHUNKS[0] ?? "", { id: "x", zone: "" }, 3), []);
});

test("a lookup among 100 nodes is cheap enough to be made for every chunk", (t) => {
  const ring = new Ring(nodes(100));
  const startMs = performance.now();
  for (let at = 0; at < 100_000; at++) ring.ranked(CHUNKS[at % CHUNKS.length] ?? "", 2);
  t.diagnostic(`100,000 lookups × 100 nodes: ${Math.round(performance.now() - startMs)} ms`);
});
