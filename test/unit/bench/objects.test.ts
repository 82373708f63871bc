import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { listV1, listV2 } from "../../../scripts/bench/s3/listing.ts";
import { Objects, PartUploads, type StoredObject } from "../../../scripts/bench/s3/objects.ts";

function object(text: string): StoredObject {
  const bytes = Buffer.from(text);
  return { content: [{ kind: "memory", bytes, sizeBytes: bytes.length }], etag: text, modifiedAtMs: 0, headers: {} };
}

const part = fc.string({ unit: fc.constantFrom("a", "b", "é", "\u{1f99c}", "\uffee", "0"), minLength: 1, maxLength: 3 });
const key = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const act = fc.oneof(
  fc.record({ act: fc.constant("set" as const), key }),
  fc.record({ act: fc.constant("delete" as const), key }),
  fc.record({ act: fc.constant("below" as const), key }),
);

function inUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

test("whatever is written and removed, a listing is the keys in the order of their UTF-8 bytes", () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), key, key, (acts, prefix, after) => {
      const objects = new Objects();
      const model = new Set<string>();
      for (const { act, key } of acts) {
        if (act === "set") {
          objects.set(key, object(key));
          model.add(key);
        } else if (act === "delete") {
          objects.delete(key);
          model.delete(key);
        } else {
          objects.deleteBelow(key);
          for (const each of [...model]) if (each.startsWith(key)) model.delete(each);
        }
      }
      const wanted = [...model].sort(inUtf8);
      assert.deepEqual(keysOf(objects, "", ""), wanted);
      assert.deepEqual(
        keysOf(objects, prefix, after),
        wanted.filter((each) => each.startsWith(prefix) && inUtf8(each, after) > 0),
      );
    }),
  );
});

function keysOf(objects: Objects, prefix: string, after: string): string[] {
  return [...objects.list(prefix, after)].map(({ key }) => key);
}

test("pages of both kinds of listing show every key, or its folder, once", () => {
  const names = fc.uniqueArray(
    fc.array(fc.constantFrom("a", "b", "c", "dd"), { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/")),
  );
  fc.assert(
    fc.property(names, fc.integer({ min: 1, max: 4 }), fc.constantFrom("", "/"), (keys, limit, delimiter) => {
      const objects = new Objects();
      for (const each of keys) objects.set(each, object(each));
      const wanted = [...new Set(keys.map((each) => (delimiter === "" || !each.includes("/") ? each : `${each.split("/")[0]}/`)))].sort();
      assert.deepEqual(allPages(listV2, "continuation-token", "NextContinuationToken", objects, { limit, delimiter }), wanted);
      assert.deepEqual(allPages(listV1, "marker", "NextMarker", objects, { limit, delimiter }), wanted);
    }),
  );
});

function allPages(
  list: typeof listV2,
  ask: string,
  next: string,
  objects: Objects,
  { limit, delimiter }: { limit: number; delimiter: string },
) {
  const seen: string[] = [];
  for (let token: string | undefined = ""; token !== undefined; ) {
    const xml = list(
      "bucket",
      objects,
      new URLSearchParams({ "max-keys": String(limit), delimiter, ...(token === "" ? {} : { [ask]: token }) }),
    );
    const page = [
      ...[...xml.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, name = ""]) => name),
      ...[...xml.matchAll(/<CommonPrefixes><Prefix>([^<]*)<\/Prefix>/g)].map(([, name = ""]) => name),
    ];
    assert.ok(page.length <= limit);
    seen.push(...page);
    token = new RegExp(`<${next}>([^<]*)</`).exec(xml)?.[1];
    assert.equal(xml.includes("<IsTruncated>true<"), token !== undefined);
  }
  return seen.sort();
}

test("an upload in parts is its parts in the order of their numbers, the last of each", () => {
  const uploads = new PartUploads();
  const id = uploads.begin("key", {});
  for (const [number, text] of [
    [2, "late"],
    [1, "one "],
    [2, "two"],
  ] as const) {
    assert.equal(uploads.add(id, number, object(text)), true);
  }
  const whole = uploads.complete(id, 0);
  assert.equal(whole?.content.map((piece) => (piece.kind === "memory" ? piece.bytes.toString() : "?")).join(""), "one two");
  assert.equal(uploads.add(id, 1, object("")), false);
  assert.equal(uploads.complete(id, 0), null);
});
