/** Parts of an import: signatures as the SDK makes them, listings with odd names, and a spool that holds what it may and no more. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { bucketOrigin } from "../../../scripts/import/bucket.ts";
import { hubOrigin } from "../../../scripts/import/hub.ts";
import type { Origin, OriginFile } from "../../../scripts/import/origin.ts";
import { signedHeaders } from "../../../scripts/import/sigv4.ts";
import { Spool } from "../../../scripts/import/spool.ts";
import { FerryError } from "../../../shared/errors.ts";
import { authorizationHeader } from "../../support/reference-signer.ts";
import { tempFolder } from "../../support/trees.ts";

const KEYS = { accessKeyId: "KEY", secretAccessKey: "secret", region: "eu-central-1" };
const AT_MS = Date.UTC(2026, 0, 2, 3, 4, 5);
const { signal } = new AbortController();

for (const path of ["/bucket/a%20b%2Bc%27%C3%A9.bin", "/bucket/?list-type=2&prefix=a%20b%2Bc&continuation-token=x%2F%3D", "/"]) {
  for (const sessionToken of [undefined, "session"]) {
    test(`a GET of ${path} ${sessionToken === undefined ? "" : "with a session "}is signed as the SDK signs it`, async () => {
      const url = new URL(`https://s3.test:9000${path}`);
      const { authorization, ...headers } = signedHeaders(url, { ...KEYS, sessionToken }, AT_MS);
      const credentials = { ...KEYS, ...(sessionToken === undefined ? {} : { sessionToken }) };
      const { "x-amz-date": _, "x-amz-security-token": __, ...others } = headers;
      const expected = await authorizationHeader(
        { method: "GET", url, headers: others },
        { credentials, region: KEYS.region, at: new Date(AT_MS) },
      );
      assert.equal(authorization, expected);
    });
  }
}

test("a listing is read to its last page, with odd names as they are", async () => {
  const pages = [
    "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b</NextContinuationToken>" +
      "<Contents><Key>m/a+b%2Bc%26%C3%A9</Key><Size>3</Size><ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag></Contents></ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>m/folder/</Key><Size>0</Size></Contents>" +
      '<Contents><Key>m/two</Key><Size>4</Size><ETag>"0123456789abcdef0123456789abcdef-2"</ETag></Contents>' +
      "<Contents><Key>m2</Key><Size>4</Size></Contents></ListBucketResult>",
  ];
  const asked: string[] = [];
  const fetch = async (url: string) => {
    asked.push(new URL(url).searchParams.get("continuation-token") ?? "");
    return new Response(pages[asked.length - 1]);
  };
  const origin = bucketOrigin("s3://bucket/m", { env: {}, fetch, nowMs: () => AT_MS, virtualHosted: true });
  const files = (await origin?.list(signal)) ?? [];
  assert.deepEqual(asked, ["", "a&b"]);
  assert.deepEqual(
    files.map(({ path, sizeBytes, md5 }) => [path, sizeBytes, md5]),
    [
      ["a b+c&é", 3, "0123456789abcdef0123456789abcdef"],
      ["two", 4, null],
    ],
  );
});

test("a Hub's token goes to no other server, whatever its pages say", async () => {
  const fetch = async (url: string) =>
    url.includes("/tree/")
      ? Response.json([], { headers: { link: '<https://evil.test/next>; rel="next"' } })
      : Response.json({ sha: "a".repeat(40) });
  const origin = await hubOrigin("hf://org/name", { env: { HF_ENDPOINT: "https://hub.test", HF_TOKEN: "hf_x" }, fetch, signal });
  await assert.rejects(origin?.list(signal) ?? Promise.resolve(), { code: "SOURCE_UNAVAILABLE" });
});

describe("the spool", () => {
  let folder = tempFolder();
  beforeEach(() => {
    folder = tempFolder();
  });
  afterEach(() => folder.remove());

  const contentOf = (path: string) => Buffer.from(`content of ${path} `.repeat(10));
  const fileOf = (path: string, more: Partial<OriginFile> = {}): OriginFile => {
    const content = contentOf(path);
    const gitId = createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
    return { path, sizeBytes: content.length, sha256: null, gitId, md5: null, etag: "e", ...more };
  };

  /** Each `open` gives a chosen part of what was asked for. */
  function originOf(give: (content: Buffer, n: number) => Buffer = (content) => content): { origin: Origin; opened: string[] } {
    const opened: string[] = [];
    const open: Origin["open"] = async (file, { from, to }) => {
      opened.push(`${file.path} ${from}`);
      const bytes = give(contentOf(file.path).subarray(from, to), opened.length);
      return { offset: from, hidden: false, body: new Blob([Buffer.from(bytes)]).stream() };
    };
    return { opened, origin: { name: "a test", revision: null, list: async () => [], open } };
  }

  const spoolOf = (origin: Origin, bytesMax = 1e9) =>
    new Spool({ origin, folder: join(folder.path, "spool"), bytesMax, connections: 2, sleep: async () => {} });
  const read = (spool: Spool, file: OriginFile) => spool.use(file, signal, async ({ local }) => readFileSync(local));

  test("what breaks off is asked for from there on; several readers bring a file once; a later run has it", async () => {
    const { origin, opened } = originOf((content, n) => (n === 1 ? content.subarray(0, 7) : content));
    const file = fileOf("a");
    const spool = spoolOf(origin);
    const copies = await Promise.all([read(spool, file), read(spool, file)]);
    for (const copy of copies) assert.ok(copy.equals(contentOf("a")));
    assert.deepEqual(opened, ["a 0", "a 7"]);
    assert.ok((await read(spoolOf(origin), file)).equals(contentOf("a")));
    assert.equal(opened.length, 2);
  });

  test("it lets go of what was not used for longest, and brings it again when it is wanted", async () => {
    const { origin, opened } = originOf();
    const [a, b, c] = [fileOf("a"), fileOf("b"), fileOf("c")];
    const spool = spoolOf(origin, a.sizeBytes + b.sizeBytes);
    for (const file of [a, b, a, c]) await read(spool, file);
    assert.equal(readdirSync(join(folder.path, "spool")).filter((name) => !name.endsWith(".done")).length, 2);
    await read(spool, a);
    assert.deepEqual(opened, ["a 0", "b 0", "c 0"]);
    assert.ok((await read(spool, b)).equals(contentOf("b")));
    assert.equal(opened.length, 4);
    spool.drop();
    assert.ok(!existsSync(join(folder.path, "spool")));
  });

  test("bytes that are not what the origin says are refused, and brought anew the next time", async () => {
    let bad = true;
    const { origin, opened } = originOf((content) => (bad ? Buffer.alloc(content.length) : content));
    const spool = spoolOf(origin);
    await assert.rejects(read(spool, fileOf("a")), { code: "DIGEST_INVALID" });
    bad = false;
    assert.ok((await read(spool, fileOf("a"))).equals(contentOf("a")));
    assert.equal(opened.length, 2);
  });

  test("a source that says no is not asked again; one that fails is, a few times", async () => {
    for (const [status, times] of [
      [403, 1],
      [503, 6],
    ] as const) {
      let asked = 0;
      const { origin } = originOf();
      const refusing: Origin = {
        ...origin,
        open: async () => {
          asked++;
          throw new FerryError("SOURCE_UNAVAILABLE", { source: "a test", problem: "no", status });
        },
      };
      await assert.rejects(read(spoolOf(refusing), fileOf(`f${status}`)), { code: "SOURCE_UNAVAILABLE" });
      assert.equal(asked, times);
    }
  });
});
