import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { below, ownPlace, S3Profile } from "../../../functions/storage/profile.ts";
import { type Family, Signer } from "../../../functions/storage/signer.ts";
import { encodeKey } from "../../../functions/storage/uri.ts";
import { authorizationHeader, presignedQuery } from "../../support/reference-signer.ts";

const AT_MS = Date.UTC(2026, 10, 24, 5, 50, 0, 123);
const at = new Date(AT_MS);
const clock = { now: () => AT_MS };
const KEYS = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };

const PLACES = [
  { name: "path addressing", endpoint: "https://s3.example.com", addressing: "path" },
  { name: "virtual addressing", endpoint: "https://s3.example.com", addressing: "virtual" },
  { name: "a port of its own", endpoint: "http://127.0.0.1:7480", addressing: "path" },
  { name: "virtual addressing with a port", endpoint: "http://localhost:9000", addressing: "virtual" },
  { name: "an endpoint with a path", endpoint: "http://127.0.0.1:8787/cdn-cgi/local/r2/s3", addressing: "path" },
  { name: "the scheme's own port", endpoint: "https://s3.example.com:443/", addressing: "path" },
] as const;
const ODD_KEYS = ["plain", "模型/x y+(1)'!*~.bin", "a//b/", "100%25 & more?#=;,:@$", "é\u0301/🦜.safetensors", "-._~"];
const CREDENTIALS = [
  { name: "plain keys", credentials: KEYS },
  { name: "a session token", credentials: { ...KEYS, sessionToken: "FwoGZXIvYXdzE/w+Ea=" } },
];

function placeOf(endpoint: string, addressing: string) {
  const profile = S3Profile.parse({
    id: "a",
    provider: "s3",
    endpoint,
    addressing,
    region: "eu-west-1",
    bucket: "models",
    prefix: "team/x",
  });
  return below(ownPlace(profile), "chunks/");
}

for (const { name, endpoint, addressing } of PLACES) {
  for (const { name: kind, credentials } of CREDENTIALS) {
    test(`presigned URLs equal those of the SDK's presigner: ${name}, ${kind}`, async () => {
      const place = placeOf(endpoint, addressing);
      const signer = new Signer({ credentials, region: "eu-west-1", clock });
      const headers = { "if-none-match": "*" };
      const varying = ["content-length", "content-md5"];
      const values = ["67108864", "1B2M2Y8AsgTpgAmY7PhCfg=="];
      const paths = ODD_KEYS.map(encodeKey);
      const { query, signatures } = await signer.presign(
        { method: "PUT", place, headers, varying },
        paths.map((path) => ({ path, values })),
        { expiresSeconds: 900 },
      );
      for (const [index, path] of paths.entries()) {
        const url = new URL(place.origin + place.path + path);
        const all = { ...headers, "content-length": "67108864", "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg==" };
        const expected = await presignedQuery(
          { method: "PUT", url, headers: all },
          { credentials, region: "eu-west-1", at, expiresSeconds: 900 },
        );
        assert.deepEqual(Object.fromEntries(new URLSearchParams(`${query}&X-Amz-Signature=${signatures[index]}`)), expected);
      }
    });

    test(`authorization headers equal those of the SDK's signer: ${name}, ${kind}`, async () => {
      const place = placeOf(endpoint, addressing);
      const signer = new Signer({ credentials, region: "eu-west-1", clock });
      const family: Family = {
        method: "PUT",
        place,
        headers: { "if-none-match": "*" },
        varying: ["content-length", "x-amz-content-sha256"],
      };
      const members = ODD_KEYS.map((key, index) => ({ path: encodeKey(key), values: [String(index), String(index).repeat(64)] }));
      const { headers, authorization, signatures } = await signer.authorize(family, members);
      for (const [index, { path, values }] of members.entries()) {
        const [length = "", payload = ""] = values;
        const all = { ...headers, "content-length": length, "x-amz-content-sha256": payload };
        const url = new URL(place.origin + place.path + path);
        const expected = await authorizationHeader({ method: "PUT", url, headers: all }, { credentials, region: "eu-west-1", at });
        assert.equal(authorization + signatures[index], expected);
      }
    });
  }
}

const headerName = fc.stringMatching(/^x-amz-[a-z][a-z0-9-]{0,20}$/).filter((name) => !RESERVED.has(name));
const RESERVED = new Set(["x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "x-amz-user-agent"]);
const key = fc
  .array(fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" }), { minLength: 1, maxLength: 4 })
  .map((segments) => segments.join("/"))
  .filter((text) => text.isWellFormed() && !text.split("/").some((segment) => segment === "." || segment === ".."));

test("any key, headers and query are signed as the SDK signs them", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        key,
        method: fc.constantFrom("GET", "PUT", "HEAD", "DELETE"),
        headers: fc.dictionary(headerName, fc.stringMatching(/^[!-~]([ -~]{0,30}[!-~])?$/), { maxKeys: 4 }),
        query: fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9-]{0,12}$/), fc.string({ maxLength: 12 }), { maxKeys: 3 }),
        region: fc.stringMatching(/^[a-z]{2}-[a-z]{4,9}-[1-9]$/),
        secretAccessKey: fc.string({ minLength: 1, maxLength: 40 }),
        expiresSeconds: fc.integer({ min: 1, max: 604_800 }),
      }),
      async ({ key, method, headers, query, region, secretAccessKey, expiresSeconds }) => {
        const credentials = { accessKeyId: "AKID", secretAccessKey };
        const place = placeOf("http://127.0.0.1:7480", "path");
        const path = encodeKey(key);
        const signer = new Signer({ credentials, region, clock });
        const { query: ours, signatures } = await signer.presign({ method, place, headers, varying: [] }, [{ path, values: [] }], {
          expiresSeconds,
          query,
        });
        const url = new URL(`${place.origin}${place.path}${path}?${new URLSearchParams(query)}`);
        const expected = await presignedQuery({ method, url, headers }, { credentials, region, at, expiresSeconds });
        assert.deepEqual(Object.fromEntries(new URLSearchParams(`${ours}&X-Amz-Signature=${signatures[0]}`)), expected);
      },
    ),
    { numRuns: 300 },
  );
});

test("members signed at once have the signatures that they have alone: nothing of one gets into another", async () => {
  const place = placeOf("https://s3.example.com", "path");
  const signer = new Signer({ credentials: KEYS, region: "eu-west-1", clock });
  const family: Family = { method: "PUT", place, headers: {}, varying: ["content-length", "x-amz-content-sha256"] };
  const members = Array.from({ length: 250 }, (_, index) => ({
    path: `k${"x".repeat(index * 11)}`,
    values: [String(index), "a".repeat(64)],
  }));
  const { signatures } = await signer.authorize(family, members);
  assert.equal(new Set(signatures).size, 250);
  for (const [index, member] of members.entries()) {
    const alone = await signer.authorize(family, [member]);
    assert.equal(signatures[index], alone.signatures[0]);
  }
});

test("a header that must be absent is signed as empty and is not among those to send", async () => {
  const place = placeOf("https://s3.example.com", "path");
  const signer = new Signer({ credentials: KEYS, region: "eu-west-1", clock });
  const payload = { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" };
  const family: Family = { method: "PUT", place, headers: payload, varying: [], absent: ["x-amz-copy-source"] };
  const { headers, authorization, signatures } = await signer.authorize(family, [{ path: "k", values: [] }]);
  assert.equal("x-amz-copy-source" in headers, false);
  const request = { method: "PUT", url: new URL(`${place.origin}${place.path}k`), headers: { ...headers, "x-amz-copy-source": "" } };
  assert.equal(authorization + signatures[0], await authorizationHeader(request, { credentials: KEYS, region: "eu-west-1", at }));
});

test("keys with dot segments are refused, because clients would resolve them away", () => {
  for (const dotted of [".", "..", "a/../b", "a/./b", "../x"]) assert.throws(() => encodeKey(dotted), RangeError);
});
