/** Signatures as AWS publishes them in its documentation of S3: the examples are the vectors. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ChunkedBody } from "../../../functions/doors/s3/chunked.ts";
import { S3Refusal } from "../../../functions/doors/s3/refusals.ts";
import { checkSignature, type SignedRequest } from "../../../functions/doors/s3/signature.ts";
import { NODE_CRYPTO, startSha256 } from "../../../scripts/agent/s3-crypto.ts";

const KEY_ID = "AKIAIOSFODNN7EXAMPLE";
const SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const HOST = "examplebucket.s3.amazonaws.com";
const AT = Date.parse("2013-05-24T00:00:00Z");
const SCOPE = "20130524/us-east-1/s3/aws4_request";

const findSecret = async (id: string) => (id === KEY_ID ? SECRET : null);
const check = (request: SignedRequest, nowMs = AT) => checkSignature(request, { crypto: NODE_CRYPTO, nowMs, findSecret });
const code = (expected: string) => (error: unknown) => error instanceof S3Refusal && error.code === expected;
const authorization = (signed: string, signature: string) =>
  `AWS4-HMAC-SHA256 Credential=${KEY_ID}/${SCOPE},SignedHeaders=${signed},Signature=${signature}`;

const GET_OBJECT: SignedRequest = {
  method: "GET",
  path: "/test.txt",
  query: "",
  headers: {
    host: HOST,
    range: "bytes=0-9",
    "x-amz-content-sha256": EMPTY,
    "x-amz-date": "20130524T000000Z",
    authorization: authorization(
      "host;range;x-amz-content-sha256;x-amz-date",
      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
  },
};
const PUT_OBJECT: SignedRequest = {
  method: "PUT",
  path: "/test%24file.text",
  query: "",
  headers: {
    host: HOST,
    date: "Fri, 24 May 2013 00:00:00 GMT",
    "x-amz-content-sha256": "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
    "x-amz-date": "20130524T000000Z",
    "x-amz-storage-class": "REDUCED_REDUNDANCY",
    authorization: authorization(
      "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
      "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
  },
};
const plain = (query: string, signature: string): SignedRequest => ({
  method: "GET",
  path: "/",
  query,
  headers: {
    host: HOST,
    "x-amz-content-sha256": EMPTY,
    "x-amz-date": "20130524T000000Z",
    authorization: authorization("host;x-amz-content-sha256;x-amz-date", signature),
  },
});
const PRESIGNED: SignedRequest = {
  method: "GET",
  path: "/test.txt",
  query: `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${encodeURIComponent(`${KEY_ID}/${SCOPE}`)}&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404`,
  headers: { host: HOST },
};
const STREAMED: SignedRequest = {
  method: "PUT",
  path: "/examplebucket/chunkObject.txt",
  query: "",
  headers: {
    host: "s3.amazonaws.com",
    "content-encoding": "aws-chunked",
    "content-length": "66824",
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "x-amz-date": "20130524T000000Z",
    "x-amz-decoded-content-length": "66560",
    "x-amz-storage-class": "REDUCED_REDUNDANCY",
    authorization: authorization(
      "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
      "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    ),
  },
};

describe("AWS's published examples", () => {
  const vectors: [name: string, request: SignedRequest][] = [
    ["GET object with a range", GET_OBJECT],
    ["PUT object with a dollar in its key", PUT_OBJECT],
    ["GET bucket lifecycle", plain("lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")],
    ["list objects", plain("max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")],
    ["presigned GET", PRESIGNED],
    ["chunked upload", STREAMED],
  ];
  for (const [name, request] of vectors) {
    test(`${name} is accepted, and refused when a letter of it changes`, async () => {
      assert.equal((await check(request))?.accessKeyId, KEY_ID);
      await assert.rejects(check({ ...request, path: `${request.path}x` }), code("SignatureDoesNotMatch"));
      await assert.rejects(check({ ...request, headers: { ...request.headers, host: "elsewhere" } }), code("SignatureDoesNotMatch"));
    });
  }

  test("the chunks of the published upload are accepted one after another, and a byte of another content is not", async () => {
    const payload = (await check(STREAMED))?.payload;
    assert.ok(payload?.kind === "chunks" && payload.chain !== null);
    const chunk = (size: number, signature: string) => `${size.toString(16)};chunk-signature=${signature}\r\n${"a".repeat(size)}\r\n`;
    const body = [
      chunk(65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
      chunk(1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
      chunk(0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
    ].join("");
    const read = (text: string, stepBytes: number) => {
      const decoder = new ChunkedBody({ ...payload, crypto: NODE_CRYPTO, startHash: startSha256 });
      const bytes = Buffer.from(text);
      let size = 0;
      for (let at = 0; at < bytes.length; at += stepBytes)
        for (const part of decoder.feed(bytes.subarray(at, at + stepBytes))) size += part.length;
      decoder.end();
      return size;
    };
    for (const stepBytes of [1, 7, 1000, 65_536, 100_000]) assert.equal(read(body, stepBytes), 66_560);
    assert.throws(() => read(body.replace("aaa", "aab"), 1000), code("SignatureDoesNotMatch"));
    assert.throws(() => read(body.slice(0, 65_700), 1000), code("IncompleteBody"));
    assert.throws(() => read(body.replace("400;chunk", "3ff;chunk"), 1000), S3Refusal);
  });
});

describe("what no signature gets through", () => {
  const signed = GET_OBJECT.headers;
  const later = (minutes: number) => AT + minutes * 60_000;
  const refused: [name: string, expected: string, request: SignedRequest, nowMs?: number][] = [
    ["a request from more than 15 minutes ago", "RequestTimeTooSkewed", GET_OBJECT, later(16)],
    ["one from the future", "RequestTimeTooSkewed", GET_OBJECT, later(-16)],
    ["a presigned URL whose time is over", "AccessDenied", PRESIGNED, later(24 * 60 + 1)],
    ["a presigned URL from the future", "AccessDenied", PRESIGNED, later(-20)],
    ["an x-amz header that is not signed", "AccessDenied", { ...GET_OBJECT, headers: { ...signed, "x-amz-copy-source": "/a/b" } }],
    [
      "a host that is not signed",
      "AccessDenied",
      { ...GET_OBJECT, headers: { ...signed, authorization: String(signed["authorization"]).replace("host;", "") } },
    ],
    [
      "a key of nobody",
      "InvalidAccessKeyId",
      { ...GET_OBJECT, headers: { ...signed, authorization: String(signed["authorization"]).replace(KEY_ID, "AKIDX") } },
    ],
    ["an older mechanism in the header", "InvalidRequest", { ...GET_OBJECT, headers: { ...signed, authorization: "AWS AKID:abc=" } }],
    [
      "another service",
      "AuthorizationHeaderMalformed",
      { ...GET_OBJECT, headers: { ...signed, authorization: String(signed["authorization"]).replace("/s3/", "/iam/") } },
    ],
    ["two signatures at once", "InvalidArgument", { ...PRESIGNED, headers: signed }],
    [
      "a presigned URL for more than a week",
      "AuthorizationQueryParametersError",
      { ...PRESIGNED, query: PRESIGNED.query.replace("Expires=86400", "Expires=604801") },
    ],
    ["a presigned URL made longer", "SignatureDoesNotMatch", { ...PRESIGNED, query: PRESIGNED.query.replace("86400", "86401") }],
    ["a URI that can't be decoded", "InvalidURI", { ...GET_OBJECT, path: "/%ff%zz" }],
  ];
  for (const [name, expected, request, nowMs] of refused)
    test(`${name}: ${expected}`, () => assert.rejects(check(request, nowMs), code(expected)));

  test("who signs nothing is nobody", async () => assert.equal(await check({ ...GET_OBJECT, headers: { host: HOST } }), null));
});

test("a presigned URL of version 2 from AWS's documentation is good until its time, for what it names", async () => {
  const request: SignedRequest = {
    method: "GET",
    path: "/johnsmith/photos/puppy.jpg",
    query: `AWSAccessKeyId=${KEY_ID}&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620`,
    headers: { host: "s3.us-west-1.amazonaws.com" },
  };
  const at = 1_175_139_000_000;
  assert.equal((await check(request, at))?.accessKeyId, KEY_ID);
  await assert.rejects(check(request, at + 700_000), code("AccessDenied"));
  await assert.rejects(check(request, at - 8 * 86_400_000), code("AccessDenied"));
  await assert.rejects(check({ ...request, method: "PUT" }, at), code("SignatureDoesNotMatch"));
  await assert.rejects(check({ ...request, method: "DELETE" }, at), code("AccessDenied"));
  await assert.rejects(check({ ...request, query: `${request.query}&uploadId=x` }, at), code("SignatureDoesNotMatch"));
});
