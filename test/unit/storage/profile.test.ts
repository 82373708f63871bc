import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeHasher } from "../../../functions/node/hasher.ts";
import { dialectOf, ownPlace, publicPlace, S3Profile, S3Profiles } from "../../../functions/storage/profile.ts";
import { makeStores } from "../../../functions/storage/stores.ts";
import { Digest } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";

const PROFILE = { id: "home", provider: "s3", endpoint: "https://s3.example.com", region: "eu-west-1", bucket: "models" };
const CREDENTIALS = { accessKeyId: "A", secretAccessKey: "S" };
const world = {
  clock: { now: () => Date.UTC(2026, 10, 24) },
  random: { bytes: (count: number) => new Uint8Array(count) },
  hasher: nodeHasher,
};

test("a profile says as little as it must: the provider's dialect fills the rest", () => {
  const profile = S3Profile.parse({ ...PROFILE, provider: "oss" });
  assert.equal(profile.prefix, "");
  assert.equal(profile.addressing, "virtual");
  assert.deepEqual(dialectOf(profile).createOnly, { name: "x-oss-forbid-overwrite", value: "true" });
  assert.equal(S3Profile.parse({ ...PROFILE, provider: "oss", addressing: "path" }).addressing, "path");
});

const PREFIXES = [
  ["", "/models/"],
  ["team", "/models/team/"],
  ["team/x/", "/models/team/x/"],
] as const;
for (const [prefix, path] of PREFIXES) {
  test(`prefix '${prefix}' puts objects below ${path}`, () => assert.equal(ownPlace(S3Profile.parse({ ...PROFILE, prefix })).path, path));
}

const WRONG: [name: string, change: Record<string, unknown>][] = [
  ["an endpoint that is no URL", { endpoint: "s3.example.com" }],
  ["an endpoint of another scheme", { endpoint: "ftp://s3.example.com" }],
  ["an endpoint with a user", { endpoint: "https://user:secret@s3.example.com" }],
  ["an endpoint with a query", { endpoint: "https://s3.example.com/?x=1" }],
  ["a prefix that begins with a slash", { prefix: "/team" }],
  ["a prefix with dot segments", { prefix: "a/../b" }],
  ["a prefix with an empty segment", { prefix: "a//b" }],
  ["a bucket with a slash", { bucket: "a/b" }],
  ["a region with a slash", { region: "a/b" }],
  ["an unknown provider", { provider: "floppy" }],
  ["an unknown setting", { secretAccessKey: "S" }],
  ["a header name in capitals", { createOnly: { name: "If-None-Match", value: "*" } }],
];
for (const [name, change] of WRONG) {
  test(`refuses ${name}`, () => assert.equal(S3Profile.safeParse({ ...PROFILE, ...change }).success, false));
}

test("a long prefix that does not match is refused without trying every way to cut it", () => {
  assert.equal(S3Profile.safeParse({ ...PROFILE, prefix: `${"a".repeat(50_000)}!` }).success, false);
});

test("two stores of one id are refused", () => {
  assert.equal(S3Profiles.safeParse([PROFILE, PROFILE]).success, false);
  assert.equal(S3Profiles.safeParse([]).success, false);
});

test("tickets and downloads are signed for the public endpoint, our own requests for the other", async () => {
  const profile = S3Profile.parse({ ...PROFILE, endpoint: "http://10.0.0.7:7480", publicEndpoint: "https://models.example.com" });
  const asked: string[] = [];
  const fetch: typeof globalThis.fetch = async (input) => {
    asked.push(String(input));
    return new Response(null, { headers: { "content-length": "1" } });
  };
  const { home } = makeStores({ profiles: [profile], credentials: { home: CREDENTIALS }, homeId: "home", fetch, ...world });
  const place = { sha256: Digest.parse("0".repeat(64)), size: 1, tag: "0".repeat(16) };
  assert.equal((await home.chunks.tickets("payload", [place])).base, "https://models.example.com/models/chunks/");
  assert.equal((await home.chunks.downloads([place])).base, "https://models.example.com/models/chunks/");
  await home.chunks.lengths([place]);
  assert.equal(asked[0]?.startsWith("http://10.0.0.7:7480/models/chunks/00/"), true);
  assert.equal(publicPlace(profile).host, "models.example.com");
});

test("an unknown store, home or missing credentials are named", () => {
  const profiles = [S3Profile.parse(PROFILE)];
  const hasCode = (code: string) => (error: unknown) => error instanceof FerryError && error.code === code;
  const stores = makeStores({ profiles, credentials: { home: CREDENTIALS }, homeId: "home", fetch, ...world });
  assert.throws(() => stores.get("west"), hasCode("STORE_UNKNOWN"));
  assert.throws(
    () => makeStores({ profiles, credentials: { home: CREDENTIALS }, homeId: "west", fetch, ...world }),
    hasCode("STORE_UNKNOWN"),
  );
  assert.throws(() => makeStores({ profiles, credentials: {}, homeId: "home", fetch, ...world }), hasCode("CONFIG_INVALID"));
});

test("a ticket of mode md5 needs the md5, and says so", async () => {
  const profiles = [S3Profile.parse(PROFILE)];
  const { home } = makeStores({ profiles, credentials: { home: CREDENTIALS }, homeId: "home", fetch, ...world });
  const place = { sha256: Digest.parse("0".repeat(64)), size: 1, tag: "0".repeat(16) };
  await assert.rejects(
    home.chunks.tickets("md5", [place]),
    (error: unknown) => error instanceof FerryError && error.code === "REQUEST_INVALID",
  );
});
