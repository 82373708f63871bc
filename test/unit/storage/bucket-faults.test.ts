/** What S3Bucket and S3ChunkStore make of a store's answers that are no plain success. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeHasher } from "../../../functions/node/hasher.ts";
import type { Store } from "../../../functions/registry/ports.ts";
import { S3Profile } from "../../../functions/storage/profile.ts";
import { makeStores } from "../../../functions/storage/stores.ts";
import { Digest } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";

const ACCESS_KEY_ID = "AKIDCANARY0001";
const SECRET = "canary-secret-access-key";
const BYTES = new TextEncoder().encode("content");

type Request = { method: string; url: URL; headers: Headers };
type Answer = Response | Error | ((signal: AbortSignal) => Promise<Response>);

/** A store whose answers are given one by one; the last one is repeated. */
function scripted(answers: Answer[], more: Record<string, unknown> = {}): { store: Store; requests: Request[]; waits: number[] } {
  const requests: Request[] = [];
  const waits: number[] = [];
  const profile = S3Profile.parse({ id: "far", endpoint: "https://s3.example.com", region: "eu-west-1", bucket: "models", ...more });
  const stores = makeStores({
    profiles: [profile],
    credentials: { far: { accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET } },
    homeId: "far",
    clock: { now: () => Date.UTC(2026, 10, 24) },
    random: { bytes: (count) => new Uint8Array(count) },
    hasher: nodeHasher,
    wait: async (ms) => {
      waits.push(ms);
    },
    timeoutMs: 5,
    fetch: async (input, init) => {
      const request = new Request(input, init);
      requests.push({ method: request.method, url: new URL(request.url), headers: new Headers(init?.headers) });
      const answer = answers[Math.min(requests.length, answers.length) - 1];
      if (answer instanceof Error) throw answer;
      const { status, headers, body } = (typeof answer === "function" ? await answer(request.signal) : answer?.clone()) ?? Response.error();
      return new Response(request.method === "HEAD" ? null : body, { status, headers });
    },
  });
  return { store: stores.home, requests, waits };
}

const ok = (body = "", headers: Record<string, string> = {}) => new Response(body, { status: 200, headers });
const refused = (status: number, code: string) =>
  new Response(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${ACCESS_KEY_ID} may not</Message></Error>`, {
    status,
    headers: { "content-type": "application/xml" },
  });
/** How Node's fetch fails when nobody listens: the cause names the host. */
const unreachable = new TypeError("fetch failed", {
  cause: Object.assign(new Error("connect https://s3.example.com/?X-Amz"), { code: "ECONNREFUSED" }),
});

/** Says nothing until the request's own time limit ends it. */
function silent(signal: AbortSignal): Promise<Response> {
  return new Promise((_, reject) => {
    const awake = setInterval(() => {}, 1000);
    signal.addEventListener("abort", () => {
      clearInterval(awake);
      reject(signal.reason);
    });
  });
}

function fails(problem: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof FerryError);
    assert.equal(error.code, "STORAGE_UNAVAILABLE");
    assert.match(String(error.details["problem"]), problem);
    assert.equal(error.details["store"], "far");
    return true;
  };
}

test("a busy or silent store is asked again, with growing pauses, and then works", async () => {
  for (const fault of [refused(503, "SlowDown"), refused(500, "InternalError"), refused(429, "TooManyRequests"), unreachable]) {
    const { store, requests, waits } = scripted([fault, fault, ok("content")]);
    assert.deepEqual(await store.bucket.get("k"), BYTES);
    assert.equal(requests.length, 3);
    assert.ok(waits.length === 2 && Number(waits[1]) > Number(waits[0]));
  }
});

test("three failures are an error that says so: never an absence, never a success", async () => {
  const calls: [name: string, call: (store: Store) => Promise<unknown>][] = [
    ["get", ({ bucket }) => bucket.get("k")],
    ["head", ({ bucket }) => bucket.head("k")],
    ["list", ({ bucket }) => bucket.list("k")],
    ["put", ({ bucket }) => bucket.put("k", BYTES)],
    ["create", ({ bucket }) => bucket.create("k", BYTES)],
    ["delete", ({ bucket }) => bucket.delete(["k"])],
    ["probed", (store) => store.probed()],
    ["content", ({ chunks }) => chunks.content({ sha256: Digest.parse("0".repeat(64)), tag: "0".repeat(16) })],
    ["lengths", ({ chunks }) => chunks.lengths([{ sha256: Digest.parse("0".repeat(64)), size: 1, tag: "0".repeat(16) }])],
  ];
  const faults: [fault: Answer, problem: RegExp][] = [
    [refused(503, "SlowDown"), /^503/],
    [unreachable, /^no answer \(ECONNREFUSED\)$/],
    [silent, /^no answer in time$/],
    [refused(403, "AccessDenied"), /^403/],
    [new Response("<html>Welcome to this hotel's network</html>", { status: 302, headers: { location: "http://login.example" } }), /^302/],
  ];
  for (const [name, call] of calls) {
    for (const [fault, problem] of faults) {
      const { store } = scripted([fault]);
      await assert.rejects(call(store), fails(problem), `${name} on ${problem}`);
    }
  }
});

test("errors tell neither keys nor URLs, whatever the store or fetch said", async () => {
  for (const fault of [refused(403, "SignatureDoesNotMatch"), refused(503, "SlowDown"), unreachable]) {
    const { store } = scripted([fault]);
    await assert.rejects(store.bucket.put("k", BYTES), (error: Error) => {
      const told = JSON.stringify([error.message, error.stack, { ...error }, String(error.cause)]);
      for (const secret of [ACCESS_KEY_ID, SECRET, "X-Amz", "s3.example.com", "Signature="])
        assert.equal(told.includes(secret), false, told);
      return true;
    });
  }
});

test("create says 'exists' in each dialect's own way, and sends the dialect's own condition", async () => {
  const dialects = [
    { provider: "aws", header: ["if-none-match", "*"], answer: refused(412, "PreconditionFailed") },
    { provider: "r2", header: ["if-none-match", "*"], answer: refused(412, "PreconditionFailed") },
    { provider: "oss", header: ["x-oss-forbid-overwrite", "true"], answer: refused(409, "FileAlreadyExists") },
    { provider: "cos", header: ["x-cos-forbid-overwrite", "true"], answer: refused(409, "FileAlreadyExists") },
    { provider: "gcs", header: ["x-goog-if-generation-match", "0"], answer: refused(412, "PreconditionFailed") },
  ];
  for (const { provider, header, answer } of dialects) {
    const [name = "", value] = header;
    const taken = scripted([answer], { provider });
    assert.equal(await taken.store.bucket.create("k", BYTES), "exists", provider);
    assert.equal(taken.requests[0]?.headers.get(name), value, provider);
    assert.match(taken.requests[0]?.headers.get("authorization") ?? "", new RegExp(`SignedHeaders=[^,]*${name}`), "and it is signed");
    const free = scripted([ok()], { provider });
    assert.equal(await free.store.bucket.create("k", BYTES), "created", provider);
    const plain = scripted([ok()], { provider });
    await plain.store.bucket.put("k", BYTES);
    assert.equal(plain.requests[0]?.headers.has(name), false, "a put has no condition");
  }
});

test("a profile's own create-only header wins over its provider's", async () => {
  const { store, requests } = scripted([ok()], { provider: "oss", createOnly: { name: "x-new-condition", value: "absent" } });
  await store.bucket.create("k", BYTES);
  assert.equal(requests[0]?.headers.get("x-new-condition"), "absent");
  assert.equal(requests[0]?.headers.has("x-oss-forbid-overwrite"), false);
});

test("a conflict with another writer is asked again until it is decided, and gives up with an error", async () => {
  const conflict = refused(409, "ConditionalRequestConflict");
  assert.equal(await scripted([conflict, conflict, ok()]).store.bucket.create("k", BYTES), "created");
  assert.equal(await scripted([conflict, refused(412, "PreconditionFailed")]).store.bucket.create("k", BYTES), "exists");
  await assert.rejects(scripted([conflict]).store.bucket.create("k", BYTES), fails(/too many writers/));
  await assert.rejects(
    scripted([refused(409, "BucketNotEmpty")]).store.bucket.create("k", BYTES),
    fails(/^409/),
    "another 409 decides nothing",
  );
});

test("a missing bucket is an error, not an absent key", async () => {
  await assert.rejects(scripted([refused(404, "NoSuchBucket")]).store.bucket.get("k"), fails(/NoSuchBucket/));
  assert.equal(await scripted([refused(404, "NoSuchKey")]).store.bucket.get("k"), null);
});

test("an answer cut short is not content", async () => {
  const short = () => Promise.resolve(ok("cont", { "content-length": "7" }));
  await assert.rejects(scripted([short]).store.bucket.get("k"), fails(/cut short|no answer/));
});

const listing = (inner: string) =>
  ok(`<?xml version="1.0"?><ListBucketResult>${inner}</ListBucketResult>`, { "content-type": "application/xml" });
const entry = (key: string) => `<Contents><Key>${key}</Key><Size>1</Size><LastModified>2026-11-24T00:00:00.000Z</LastModified></Contents>`;

test("a listing that can't be trusted is an error: unsaid end, wrong order, foreign keys, repeats, an empty page with more", async () => {
  const bad = [
    entry("a"),
    `<IsTruncated>false</IsTruncated>${entry("b")}${entry("a")}`,
    `<IsTruncated>false</IsTruncated>${entry("a")}${entry("a")}`,
    "<IsTruncated>true</IsTruncated>",
    "<html>",
  ];
  for (const inner of bad)
    await assert.rejects(scripted([listing(inner)]).store.bucket.list(""), fails(/listing|can't be read|no answer/), inner);
  const foreign = listing(`<IsTruncated>false</IsTruncated>${entry("other/a")}`);
  await assert.rejects(scripted([foreign], { prefix: "team" }).store.bucket.list(""), fails(/other keys/));
  const notAfter = listing(`<IsTruncated>false</IsTruncated>${entry("a")}`);
  await assert.rejects(scripted([notAfter]).store.bucket.list("", { after: "a" }), fails(/out of order/));
});

test("keys that were not deleted are an error, but for those that were not there", async () => {
  const answer = (code: string) =>
    ok(`<?xml version="1.0"?><DeleteResult><Error><Key>a</Key><Code>${code}</Code></Error></DeleteResult>`, {
      "content-type": "application/xml",
    });
  await assert.rejects(
    scripted([answer("AccessDenied")]).store.bucket.delete(["a", "b"]),
    fails(/1 of 2 keys not deleted \(AccessDenied\)/),
  );
  await scripted([answer("NoSuchKey")]).store.bucket.delete(["a", "b"]);
  const { store, requests } = scripted([answer("SlowDown"), ok("<DeleteResult/>", { "content-type": "application/xml" })]);
  await store.bucket.delete(["a", "b"]);
  assert.equal(requests.length, 2);
});

test("a deletion says its Content-MD5, and no CRC32 that older servers do not know", async () => {
  const { store, requests } = scripted([ok("<DeleteResult/>", { "content-type": "application/xml" })]);
  await store.bucket.delete(["a"]);
  const headers = requests[0]?.headers ?? new Headers();
  assert.match(headers.get("content-md5") ?? "", /^[A-Za-z0-9+/]{22}==$/);
  assert.deepEqual(
    [...headers.keys()].filter((name) => name.includes("checksum")),
    [],
  );
});

test("requests go to the right place: path or virtual addressing, under the prefix", async () => {
  const path = scripted([ok("x")], { addressing: "path", prefix: "team/x" });
  await path.store.bucket.get("sys/format.json");
  assert.equal(path.requests[0]?.url.href.split("?")[0], "https://s3.example.com/models/team/x/sys/format.json");
  const virtual = scripted([ok("x")], { addressing: "virtual" });
  await virtual.store.bucket.get("sys/format.json");
  assert.equal(virtual.requests[0]?.url.href.split("?")[0], "https://models.s3.example.com/sys/format.json");
});

test("lengths ask for at most 6 at once, and each twice more before they give up", async () => {
  let [now, most] = [0, 0];
  const answer = async (): Promise<Response> => {
    most = Math.max(most, ++now);
    await new Promise(setImmediate);
    now--;
    return ok("", { "content-length": "5" });
  };
  const { store, requests } = scripted([answer]);
  const places = Array.from({ length: 30 }, (_, at) => ({
    sha256: Digest.parse(String(at).padStart(64, "0")),
    size: 5,
    tag: "0".repeat(16),
  }));
  assert.deepEqual(await store.chunks.lengths(places), Array(30).fill(5));
  assert.ok(most <= 6, `${most} at once`);
  assert.equal(requests.length, 30);
  await assert.rejects(scripted([ok("")]).store.chunks.lengths(places.slice(0, 1)), fails(/without a length/));
});
