/** What every Bucket must do, whatever it is made of. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, type TestContext, test } from "node:test";
import type { Bucket, ObjectInfo } from "../../functions/registry/ports.ts";

export type OpenBucket = { bucket: Bucket; close(): Promise<void> };
/** `reason`: why there is no such bucket on this machine. */
export type OpenResult<T> = T | { reason: string };

const ODD_KEYS = ["模型/x y+(1)'!*~.bin", "a&b<c>\"d'", "é/e\u0301", "🦜/\u{1f99c}", "100%25", "-._~"];

/** `open` makes an empty bucket; keys of the suite have a random folder of their own all the same. */
export function bucketSuite(name: string, open: () => Promise<OpenResult<OpenBucket>>): void {
  describe(`bucket on ${name}`, () => {
    let opened: OpenResult<OpenBucket>;
    before(async () => {
      opened = await open();
    });
    after(async () => {
      if ("close" in opened) await opened.close();
    });
    for (const [title, guarantee] of Object.entries(GUARANTEES)) {
      test(title, async (t) => {
        if ("reason" in opened) return t.skip(opened.reason);
        await guarantee(opened.bucket, `${randomBytes(6).toString("hex")}/`, t);
      });
    }
  });
}

const GUARANTEES: Record<string, (bucket: Bucket, folder: string, t: TestContext) => Promise<void>> = {
  "what was put is got back, byte for byte": async (bucket, folder) => {
    for (const sizeBytes of [0, 1, 256, 300_000]) {
      const bytes = randomBytes(sizeBytes);
      await bucket.put(`${folder}${sizeBytes}`, bytes);
      assert.deepEqual(Buffer.from((await bucket.get(`${folder}${sizeBytes}`)) ?? "absent"), bytes);
    }
  },

  "a key that nobody wrote is null, and deleting it is fine": async (bucket, folder) => {
    assert.equal(await bucket.get(`${folder}none`), null);
    assert.equal(await bucket.head(`${folder}none`), null);
    assert.deepEqual(await bucket.list(folder), { objects: [], more: false });
    await bucket.delete([`${folder}none`]);
    await bucket.delete([]);
  },

  "put replaces, create never does": async (bucket, folder) => {
    const key = `${folder}key`;
    await bucket.put(key, Buffer.from("first"));
    await bucket.put(key, Buffer.from("second"));
    assert.equal(await text(bucket, key), "second");
    assert.equal(await bucket.create(key, Buffer.from("third")), "exists");
    assert.equal(await text(bucket, key), "second");
    await bucket.delete([key]);
    assert.equal(await bucket.create(key, Buffer.from("fourth")), "created");
    assert.equal(await bucket.create(key, Buffer.from("fifth")), "exists");
    assert.equal(await text(bucket, key), "fourth");
  },

  "of 8 creators of one key exactly one wins, and its bytes are the stored ones": async (bucket, folder, t) => {
    const races = 10;
    for (let race = 0; race < races; race++) {
      const bodies = Array.from({ length: 8 }, (_, at) => Buffer.from(`race ${race} by ${at}`));
      const results = await Promise.all(bodies.map((body) => bucket.create(`${folder}${race}`, body)));
      assert.deepEqual(results.filter((result) => result === "created").length, 1);
      assert.equal(await text(bucket, `${folder}${race}`), bodies[results.indexOf("created")]?.toString());
    }
    t.diagnostic(`${races} races of 8: ${races} winners`);
  },

  "every write is in get, head and list right after it": async (bucket, folder) => {
    for (let count = 1; count <= 20; count++) {
      const key = `${folder}${String(count).padStart(3, "0")}`;
      await bucket.put(key, Buffer.alloc(count));
      const [bytes, head, { objects }] = await Promise.all([bucket.get(key), bucket.head(key), bucket.list(folder)]);
      assert.equal(bytes?.length, count);
      assert.equal(head?.sizeBytes, count);
      assert.equal(objects.length, count);
    }
  },

  "head and list tell key, length and time": async (bucket, folder) => {
    const key = `${folder}one`;
    await bucket.put(key, Buffer.alloc(1234));
    const head = await bucket.head(key);
    const { objects } = await bucket.list(folder);
    assert.deepEqual({ key: head?.key, sizeBytes: head?.sizeBytes }, { key, sizeBytes: 1234 });
    assert.deepEqual({ key: objects[0]?.key, sizeBytes: objects[0]?.sizeBytes }, { key, sizeBytes: 1234 });
    for (const info of [head, objects[0]]) assert.ok(Math.abs((info?.modifiedAtMs ?? 0) - Date.now()) < 120_000);
  },

  "pages of a listing hold every key once, in order, and say when there are more": async (bucket, folder) => {
    const names = Array.from({ length: 24 }, (_, at) => `${folder}in/${String(at).padStart(3, "0")}`);
    await Promise.all([...names, `${folder}im`, `${folder}io`].map((key) => bucket.put(key, Buffer.from(key))));
    for (const limit of [1, 5, 8, 24, 1000]) {
      const pages = await listAll(bucket, `${folder}in/`, limit);
      assert.deepEqual(
        pages.flat().map(({ key }) => key),
        names,
      );
      assert.equal(pages.length, Math.ceil(names.length / limit), `pages of ${limit}: none is short, none is empty`);
    }
    const { objects } = await bucket.list(`${folder}in/`, { after: `${folder}in/0215` });
    assert.deepEqual(
      objects.map(({ key }) => key),
      names.slice(22),
      "after a key that does not exist",
    );
  },

  "odd keys work everywhere": async (bucket, folder) => {
    for (const odd of ODD_KEYS) {
      const key = folder + odd;
      assert.equal(await bucket.create(key, Buffer.from(odd)), "created");
      assert.equal(await text(bucket, key), odd);
      assert.equal((await bucket.head(key))?.sizeBytes, Buffer.byteLength(odd));
      assert.deepEqual(
        (await bucket.list(key)).objects.map((object) => object.key),
        [key],
      );
    }
    const { objects } = await bucket.list(folder);
    assert.deepEqual(
      objects.map(({ key }) => key),
      ODD_KEYS.map((odd) => folder + odd).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    );
    await bucket.delete(ODD_KEYS.map((odd) => folder + odd));
    assert.deepEqual(await bucket.list(folder), { objects: [], more: false });
  },

  "more keys than one request takes are deleted at once, missing ones among them, and no others": async (bucket, folder) => {
    const keys = Array.from({ length: 1040 }, (_, at) => `${folder}gone/${at}`);
    await bucket.put(`${folder}kept`, Buffer.from("kept"));
    for (let at = 0; at < 40; at++) await bucket.put(`${folder}gone/${at * 26}`, Buffer.from("x"));
    await bucket.delete(keys);
    assert.deepEqual(await bucket.list(`${folder}gone/`), { objects: [], more: false });
    assert.equal(await text(bucket, `${folder}kept`), "kept");
  },
};

async function text(bucket: Bucket, key: string): Promise<string | undefined> {
  const bytes = await bucket.get(key);
  return bytes === null ? undefined : Buffer.from(bytes).toString();
}

async function listAll(bucket: Bucket, prefix: string, limit: number): Promise<ObjectInfo[][]> {
  const pages: ObjectInfo[][] = [];
  for (let after: string | undefined; ; ) {
    const { objects, more } = await bucket.list(prefix, { limit, ...(after === undefined ? {} : { after }) });
    pages.push(objects);
    if (!more) return pages;
    after = objects.at(-1)?.key;
    assert.notEqual(after, undefined, "a page that says there are more is not empty");
  }
}
