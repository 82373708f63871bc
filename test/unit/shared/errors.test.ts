import assert from "node:assert/strict";
import { test } from "node:test";
import { ERRORS, type ErrorCode, FerryError, isErrorCode } from "../../../shared/errors.ts";

const ROWS = Object.entries(ERRORS) as [ErrorCode, (typeof ERRORS)[ErrorCode]][];

test("every row has a status of a failure, a sentence and a next step; what may be repeated is never the caller's fault", () => {
  for (const [code, { status, retryable, message, next }] of ROWS) {
    assert.match(code, /^[A-Z]+(_[A-Z]+)*$/);
    assert.ok(status >= 400 && status < 600, code);
    assert.ok(!retryable || status >= 500 || status === 429, `${code} is ${status} and would be repeated`);
    // Or an initialism, such as LFS.
    assert.match(message, /^(\{\w+\}|[a-z]|[A-Z]{2,} )/, code);
    assert.doesNotMatch(message, /\.$/, code);
    assert.match(next, /^[A-Z].*[.?]$/, code);
  }
});

test("sentences are filled from the details, once: what stands in a detail is text, also braces and dollar signs", () => {
  const error = new FerryError("REF_UNKNOWN", { repository: "{ref} $& $1", ref: "{repository}" });
  assert.equal(error.message, "{ref} $& $1 has no branch, tag or revision {repository}");
  assert.equal(error.next, "See `ferry show {ref} $& $1` for what it has.");
  assert.equal(new FerryError("REF_UNKNOWN").message, "? has no branch, tag or revision ?");
});

test("no detail that a sentence needs is one that every object has", () => {
  for (const [code, { message, next }] of ROWS) {
    for (const [, name = ""] of `${message} ${next}`.matchAll(/\{(\w+)\}/g)) assert.ok(!(name in {}), `${code}: ${name}`);
  }
});

test("a code is one of the table, never a member that every object has", () => {
  for (const [code] of ROWS) assert.ok(isErrorCode(code));
  for (const other of ["constructor", "toString", "__proto__", "", "internal", null, undefined, 500, ["INTERNAL"], {}])
    assert.ok(!isErrorCode(other));
});
