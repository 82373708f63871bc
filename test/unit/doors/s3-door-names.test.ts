/** Names, listings and checksums of the S3 door. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseTarget, placeOf, splitKey } from "../../../functions/doors/s3/address.ts";
import { compareKeys, continuationToken, listingPage, parseContinuation } from "../../../functions/doors/s3/listing.ts";
import { S3Refusal } from "../../../functions/doors/s3/refusals.ts";
import { S3Keys } from "../../../scripts/agent/s3-credentials.ts";
import { CHECKSUMS } from "../../../scripts/agent/s3-crypto.ts";
import { makeToken } from "../../../shared/token.ts";

const REVISION = "0123456789abcdef0123456789abcdef01234567";

describe("which ref a key names", () => {
  const refs = new Set(["main", "v1", "release/a", "release/a/b"]);
  const rows: [key: string, expected: [name: string, ref: string | null, path: string] | null][] = [
    ["llama/config.json", ["llama", null, "config.json"]],
    ["llama/main/config.json", ["llama", "main", "config.json"]],
    ["llama/v1/sub/x.bin", ["llama", "v1", "sub/x.bin"]],
    ["llama/v2/sub/x.bin", ["llama", null, "v2/sub/x.bin"]],
    ["llama/release/a/x", ["llama", "release/a", "x"]],
    ["llama/release/a/b/x", ["llama", "release/a/b", "x"]],
    ["llama/release/a/b", ["llama", "release/a", "b"]],
    [`llama/${REVISION}/x`, ["llama", REVISION, "x"]],
    ["llama@new/v1/x", ["llama", "new", "v1/x"]],
    ["llama/main/", ["llama", "main", ""]],
    ["llama/", ["llama", null, ""]],
    ["llama", null],
    ["../x", null],
    ["llama@/x", null],
    ["llama@a@b/x", null],
    ["lla--ma/x", null],
  ];
  for (const [key, expected] of rows)
    test(`${key} → ${expected?.join(" ") ?? "nothing"}`, () => {
      const parts = splitKey(key);
      const place = parts === null ? null : placeOf(parts, (ref) => refs.has(ref));
      assert.deepEqual(place === null ? null : [place.name, place.ref, place.path], expected);
      if (place !== null) assert.equal(place.prefix + place.path, key);
    });

  test("paths of requests are decoded once, and never normalised", () => {
    assert.deepEqual(parseTarget("/team/m/a%20b%2Bc"), { bucket: "team", key: "m/a b+c" });
    assert.deepEqual(parseTarget("/team/m/%252e%252e/x"), { bucket: "team", key: "m/%2e%2e/x" });
    assert.deepEqual(parseTarget("/team/m/../../x"), { bucket: "team", key: "m/../../x" });
    assert.deepEqual(parseTarget("/"), { bucket: "", key: "" });
    for (const wrong of ["/..%2f/x", "//x", "/te am/x", "/team/%ff", `/team/${"k".repeat(1025)}`, "team"])
      assert.throws(() => parseTarget(wrong), S3Refusal, wrong);
  });
});

describe("listings", () => {
  const part = fc.stringMatching(/^[a-c/-]{1,6}$/);

  test("pages of any size, one after the other, give what one page gives; nothing twice, nothing left out", async () => {
    const keys = fc.uniqueArray(part, { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(
        keys,
        fc.constantFrom("", "a", "b/"),
        fc.constantFrom("", "/", "-a"),
        fc.integer({ min: 1, max: 5 }),
        async (all, prefix, delimiter, max) => {
          const sorted = [...all].sort(compareKeys).filter((key) => key.startsWith(prefix));
          async function* entries() {
            for (const key of sorted) yield { key };
          }
          const fold = (key: string) => {
            const at = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
            return at < 0 ? null : key.slice(0, at + delimiter.length);
          };
          const seen: string[] = [];
          for (let next = { after: "", afterFolded: false }; ; ) {
            const page = await listingPage(entries(), { prefix, delimiter, max, ...next });
            seen.push(...page.items.map(({ key }) => key), ...page.folded);
            assert.ok(page.items.length + page.folded.length <= max);
            if (page.next === null) break;
            next = parseContinuation(continuationToken(page.next));
          }
          const expected = new Set(sorted.map((key) => fold(key) ?? key));
          assert.equal(seen.length, expected.size);
          assert.deepEqual(new Set(seen), expected);
        },
      ),
    );
  });

  test("keys are in the order of their UTF-8 bytes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (a, b) => {
        assert.equal(Math.sign(compareKeys(a, b)), Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b))));
      }),
    );
    assert.ok(compareKeys("\u{1f600}", "\uffee") > 0);
  });

  test("a continuation token that is none of ours is refused", () => {
    for (const token of ["", "x", "%%%", "AAAA"]) assert.throws(() => parseContinuation(token), S3Refusal);
  });
});

describe("checksums", () => {
  const published: Record<string, string> = { crc32: "cbf43926", crc32c: "e3069283", crc64nvme: "ae8b14860a799888" };
  for (const [name, hex] of Object.entries(published))
    test(`${name} of 123456789 is the catalogue's, and cuts do not matter`, () => {
      const of = (...pieces: Uint8Array[]) => {
        const checksum = CHECKSUMS[name]?.();
        for (const piece of pieces) checksum?.update(piece);
        return checksum?.base64();
      };
      assert.equal(of(Buffer.from("123456789")), Buffer.from(hex, "hex").toString("base64"));
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, cut) => {
          assert.equal(of(bytes.subarray(0, cut), bytes.subarray(cut)), of(...[...bytes].map((byte) => Uint8Array.of(byte))));
        }),
      );
    });
});

test("credentials open to the token they were made of, under the key that made them, and no other", async () => {
  const token = makeToken(new Uint8Array(32).fill(3));
  const keys = new S3Keys(new Uint8Array(32).fill(1));
  const { accessKeyId, secretAccessKey } = await keys.make(token);
  assert.equal(await keys.tokenOf(accessKeyId), token);
  assert.equal(keys.secretOf(accessKeyId), secretAccessKey);
  assert.ok(!accessKeyId.includes(token.slice(3, 12)));
  assert.equal(await new S3Keys(new Uint8Array(32).fill(2)).tokenOf(accessKeyId), null);
  assert.equal(await keys.tokenOf(`${accessKeyId.slice(0, -2)}AA`), null);
  assert.equal(await keys.tokenOf("AKIAIOSFODNN7EXAMPLE"), null);
});
