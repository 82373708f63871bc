/** Entries survive their way through Redis's texts, and a text that nobody here wrote is never taken for an entry. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  decodeChunk,
  decodeFate,
  decodeProof,
  decodeRepository,
  decodeRevision,
  decodeSettings,
  decodeToken,
  decodeTrashed,
  encodeChunk,
  encodePerson,
  encodeProof,
  encodeRepository,
  encodeRevision,
  encodeToken,
} from "../../../functions/metadata/codec.ts";
import { repositoryOf, revisionOf, tokenOf } from "../../../functions/metadata/entries.ts";
import { packDigest, packHex, unpackHex } from "../../../functions/metadata/packing.ts";
import type { ChunkEntry, Proof } from "../../../functions/registry/ports.ts";
import { RepositoryId, type RepositorySummary } from "../../../shared/contract/repositories.ts";
import * as record from "../../support/chain.ts";
import { digestOf, nameOf, repositoryIdOf } from "../../support/chain.ts";

const UNREADABLE = { code: "INDEX_UNAVAILABLE", message: /can't be read/ };
const hex16 = fc.stringMatching(/^[0-9a-f]{16}$/);
const PLAIN = { noNullPrototype: true } as const;
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });

const chunkEntry: fc.Arbitrary<ChunkEntry> = fc.record(
  {
    tag: hex16,
    holder: hex16.map((id) => RepositoryId.parse(id)),
    size: uint32,
    verified: fc.boolean(),
  },
  PLAIN,
);
const proof: fc.Arbitrary<Proof> = fc.record(
  {
    state: fc.constantFrom("reserved", "proven", "had"),
    tag: hex16,
    size: uint32,
    attempt: uint32,
    fresh: fc.boolean(),
    verified: fc.boolean(),
  },
  PLAIN,
);

test("a chunk's entry is 28 characters and comes back as it was", () => {
  fc.assert(
    fc.property(chunkEntry, (entry) => {
      const text = encodeChunk(entry);
      assert.match(text, /^[A-Za-z0-9_-]{28}$/);
      assert.deepEqual(decodeChunk(text), entry);
    }),
  );
});

test("a proof is 24 characters and comes back as it was", () => {
  fc.assert(
    fc.property(proof, (entry) => {
      const text = encodeProof(entry);
      assert.match(text, /^[A-Za-z0-9_-]{24}$/);
      assert.deepEqual(decodeProof(text), entry);
    }),
  );
});

test("any other text is no hint and no proof, and does not throw", () => {
  const lengths = fc.constantFrom(0, 18, 23, 24, 25, 27, 28, 29);
  const text = lengths.chain((length) => fc.string({ unit: "binary", minLength: length, maxLength: length }));
  fc.assert(
    fc.property(text, (strange) => {
      if (!/^[\w-]{28}$/.test(strange)) assert.equal(decodeChunk(strange), null);
      if (!/^[\w-]{24}$/.test(strange)) assert.equal(decodeProof(strange), null);
    }),
  );
  assert.equal(decodeProof("_".repeat(24)), null);
});

test("a number that does not fit is refused, never cut", () => {
  const entry = { tag: "0".repeat(16), holder: repositoryIdOf("a"), verified: true };
  for (const size of [-1, 0.5, 2 ** 32, Number.NaN]) assert.throws(() => encodeChunk({ ...entry, size }), RangeError);
});

test("a digest is packed into 43 characters: base64url of its bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
      const packed = packDigest(Buffer.from(bytes).toString("hex"));
      assert.equal(packed, Buffer.from(bytes).toString("base64url"));
    }),
  );
});

test("hex comes back as it was packed, and what is no hex is refused", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^([0-9a-f]{3}){0,20}$/), (hex) => {
      assert.equal(unpackHex(packHex(hex), hex.length), hex);
      assert.equal(unpackHex(packHex(hex), hex.length + 3), null);
    }),
  );
  for (const text of ["0", "00", "ABC", "00g", "00 ", "00\n"]) assert.throws(() => packHex(text), RangeError, text);
});

test("names and reasons may hold every blank of Unicode", async () => {
  const { record: created } = await record.systemChain().add(record.create("team/llama"));
  assert.ok(created.op === "repository.create");
  for (const blank of ["\u00a0", "\u3000", "\u2003", "\u2028", "\ufeff", "\t", "\n"]) {
    const blocked = { at: "2026-02-03T04:05:06.007Z", by: `a${blank}b`, reason: `${blank}c${blank}` };
    const repository: RepositorySummary = { ...repositoryOf({ ...created, actor: `d${blank}e` }), blocked };
    assert.deepEqual(decodeRepository("team/llama", encodeRepository(repository)), repository);
  }
});

test("repositories, tokens and revisions come back as they were, whatever people wrote into them", async () => {
  const texts = fc.string({ unit: "grapheme", maxLength: 50 });
  await fc.assert(
    fc.asyncProperty(texts, texts, async (actor, text) => {
      const created = (await record.systemChain().add(record.create("team/llama"))).record;
      assert.ok(created.op === "repository.create");
      const repository = repositoryOf({ ...created, actor });
      assert.deepEqual(decodeRepository("team/llama", encodeRepository(repository)), repository);
      const blocked = { at: "2026-02-03T04:05:06.007Z", by: text, reason: `${actor} ${text}` };
      assert.deepEqual(decodeRepository("team/llama", encodeRepository({ ...repository, blocked })), { ...repository, blocked });

      const deletedAt = "2026-02-03T04:05:06.007Z";
      const trashed = `${deletedAt} ${encodePerson(text)} team/llama ${encodeRepository(repository)}`;
      assert.deepEqual(decodeTrashed(trashed), { ...repository, deletedAt, deletedBy: text });

      const made = (await record.systemChain().add(record.makeToken("one"))).record;
      assert.ok(made.op === "token.create");
      const token = tokenOf({ ...made, actor, name: text });
      const revokedAt = "2026-01-02T03:04:05.006Z";
      const [newest, older] = [digestOf("new"), digestOf("old")];
      assert.deepEqual(decodeToken(`||${digestOf("one")}:|${encodeToken(token)}`), token);
      assert.deepEqual(decodeToken(`${revokedAt}|${deletedAt}|${newest}: ${older}:${revokedAt}|${encodeToken(token)}`), {
        ...token,
        revokedAt,
        rotatedAt: deletedAt,
        secrets: [
          { hash: newest, until: null },
          { hash: older, until: revokedAt },
        ],
      });

      const committed = (await record.repositoryChain().add(record.commit(repositoryIdOf("a"), "main", "c1"))).record;
      assert.ok(committed.op === "commit");
      const revision = revisionOf({ ...committed, actor, message: text, labels: { a: text } });
      for (const changes of [{}, { deletedAt, modifiedBy: actor, modifiedAt: revokedAt, metrics: { [`m${text}`]: "1" } }]) {
        const changed = { ...revision, ...changes };
        assert.deepEqual(decodeRevision(revision.revision, encodeRevision(changed)), changed);
      }
    }),
    { numRuns: 50 },
  );
});

test("an entry of a log's index that can't be read is reported, not taken for something else", () => {
  for (const text of ["", "x", "{}", "|", "|{", "0000 2026 x", "null", "[]"]) {
    assert.throws(() => decodeRepository(nameOf("a/b"), text), UNREADABLE, text);
    assert.throws(() => decodeToken(text), UNREADABLE, text);
    assert.throws(() => decodeRevision(record.revisionOf("a"), text), UNREADABLE, text);
    assert.throws(() => decodeTrashed(text), UNREADABLE, text);
    assert.throws(() => decodeFate(text), UNREADABLE, text);
    if (text !== "{}") assert.throws(() => decodeSettings(text), UNREADABLE, text);
  }
});
