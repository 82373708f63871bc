import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { isToken, makeToken } from "../../../shared/token.ts";

const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** What a scanner of sources and model files looks for. */
const SCANNER = /\bhf_[0-9A-Za-z]{36}\b/g;

const bytes = fc.uint8Array({ minLength: 32, maxLength: 64 });

test("property: every token has the form that scanners and the Hub's clients know, and is one", () => {
  fc.assert(
    fc.property(bytes, (random) => {
      const token = makeToken(random);
      assert.match(token, /^hf_[0-9A-Za-z]{36}$/);
      assert.ok(isToken(token));
      assert.deepEqual(`export FERRY_TOKEN="${token}"; # hf_short hf_${"x".repeat(35)}`.match(SCANNER), [token]);
    }),
  );
});

test("the last six characters are the CRC-32 of the 30 before them, so that others can check a find", () => {
  const token = makeToken(new Uint8Array(32).fill(1));
  let value = crc32(token.slice(3, 33));
  let check = "";
  for (; check.length < 6; value = Math.floor(value / 62)) check = (BASE62[value % 62] ?? "") + check;
  assert.equal(token.slice(33), check);
  assert.equal(makeToken(new Uint8Array(32)), "hf_0000000000000000000000000000002C8GjS");
});

test("every change of one character is found, and every swap of two neighbours", () => {
  const token = makeToken(new Uint8Array(randomBytes(32)));
  for (let at = 3; at < token.length; at++) {
    for (const other of BASE62) {
      if (other !== token[at]) assert.ok(!isToken(token.slice(0, at) + other + token.slice(at + 1)), `${at} ${other}`);
    }
    const [here, next] = [token[at] ?? "", token[at + 1] ?? ""];
    if (next !== "" && here !== next) assert.ok(!isToken(token.slice(0, at) + next + here + token.slice(at + 2)), `${at}`);
  }
});

test("look-alikes are none: another length, prefix, alphabet, or anything around it", () => {
  const token = makeToken(new Uint8Array(randomBytes(32)));
  const others = [
    "",
    "hf_",
    token.slice(1),
    token.slice(0, -1),
    `${token}0`,
    `${token}\n`,
    `\n${token}`,
    ` ${token}`,
    `${token} `,
    `${token}\0`,
  ];
  const changed = [
    token.replace("hf_", "HF_"),
    token.replace("hf_", "hf-"),
    token.replace("hf_", "mr_"),
    `hf_${"-".repeat(36)}`,
    `hf_${"０".repeat(36)}`,
  ];
  for (const text of [...others, ...changed]) assert.ok(!isToken(text), JSON.stringify(text));
});

test("of the randomness every bit counts, and too little is refused", () => {
  const seen = new Set([makeToken(new Uint8Array(32))]);
  for (let bit = 0; bit < 128; bit++) {
    const random = new Uint8Array(32);
    random[31 - (bit >> 3)] = 1 << (bit & 7);
    seen.add(makeToken(random));
  }
  assert.equal(seen.size, 129);
  for (const length of [0, 16, 31]) assert.throws(() => makeToken(new Uint8Array(length)), RangeError);
});
