/** Secrets in texts are found when they look live, are told by place and kind alone, and examples are left in peace. */
import assert from "node:assert/strict";
import { createHash, generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { findSecrets } from "../../../shared/content/secrets.ts";
import { makeToken } from "../../../shared/token.ts";

/** Of base62, different for each seed; put together here, so that no scanner takes this file for a leak. */
function random(seed: string, length: number, alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"): string {
  let text = "";
  for (let round = 0; text.length < length; round++)
    for (const byte of createHash("sha256").update(`${seed} ${round}`).digest()) text += alphabet[byte % alphabet.length];
  return text.slice(0, length);
}
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const pem = generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }).toString();
const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey.export({ format: "pem", type: "pkcs1" }).toString();

const LIVE: readonly [kind: string, text: string][] = [
  ["modelferry token", `token = "${makeToken(createHash("sha256").update("a").digest())}"`],
  ["Hugging Face token", `HF_TOKEN=hf_${random("hf", 34, LETTERS)}`],
  ["GitHub token", `export GH=ghp_${random("gh", 36)}`],
  ["GitHub token", `git clone https://x:github_pat_${random("p", 22)}_${random("q", 59)}@github.com/a/b`],
  ["Slack token", `slack: xoxb-${random("s", 12, "0123456789")}-${random("t", 24)}`],
  ["bearer token", `curl -H "Authorization: Bearer ${random("bearer", 40)}" https://x`],
  [
    "AWS secret access key",
    `aws_access_key_id = AKIA${random("id", 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")}\naws_secret_access_key = ${random("secret", 40)}`,
  ],
  ["private key", pem],
  ["private key", rsa],
  ["private key", JSON.stringify({ private_key: pem })],
];

for (const [kind, text] of LIVE) {
  test(`a live-looking ${kind} is found at its line, and not repeated: ${text.slice(0, 12)}…`, () => {
    const found = findSecrets(`first line\n${text}\nlast`);
    assert.deepEqual(found, [{ line: 2, kind }]);
  });
}

test("examples, placeholders, hashes, look-alikes and public keys are no secrets", () => {
  const harmless = [
    "hf_your_token_here_xxxxxxxxxxxxxxxxxxx",
    `hf_${"a".repeat(34)}`,
    `hf_${random("no checksum", 36)}`,
    "export HF_TOKEN=hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "Authorization: Bearer $TOKEN",
    "Authorization: Bearer <your-access-token-goes-here>",
    "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    `AKIA${random("alone", 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")}`,
    `sha1: ${createHash("sha1").update("x").digest("hex")}`,
    `{"sha256": "${createHash("sha256").update("x").digest("hex")}"}`,
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----",
    "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
    '"▁sk-learn-something-that-is-a-long-token-in-a-vocabulary": 31999',
  ];
  for (const text of harmless) assert.deepEqual(findSecrets(text), [], text);
});

test("a vocabulary of 60,000 tokens and a megabyte on one line take no time to speak of and give nothing", (t) => {
  const vocabulary = JSON.stringify(
    Object.fromEntries(Array.from({ length: 60_000 }, (_, at) => [random(`v${at % 900}`, 3 + (at % 9)) + at, at])),
  );
  const startedMs = performance.now();
  assert.deepEqual(findSecrets(vocabulary), []);
  assert.deepEqual(findSecrets("authorization: bearer ".repeat(50_000)), []);
  assert.deepEqual(findSecrets("-----BEGIN PRIVATE KEY-----\n".repeat(30_000)), []);
  t.diagnostic(`${(performance.now() - startedMs).toFixed(0)} ms for 3 MB`);
});
