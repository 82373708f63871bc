import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { ScriptFlags, withoutFlag } from "../../../scripts/stack/script-flags.ts";

const TEXTS: Record<string, [from: string, to: string]> = {
  "the flag alone takes the first line with it": ["#!lua flags=allow-key-locking\nreturn 1", "\nreturn 1"],
  "other flags stay": ["#!lua flags=no-writes,allow-key-locking\nreturn 1", "#!lua flags=no-writes\nreturn 1"],
  "a shebang without the flag stays": ["#!lua flags=no-writes\nreturn 1", "#!lua flags=no-writes\nreturn 1"],
  "a bare shebang stays, for it makes Redis stricter": ["#!lua\nreturn 1", "#!lua\nreturn 1"],
  "the words elsewhere stay": ["return '#!lua flags=allow-key-locking'", "return '#!lua flags=allow-key-locking'"],
  "a name of a library stays": ["#!lua name=lib flags=allow-key-locking\nx", "#!lua name=lib\nx"],
  "a script of one line": ["#!lua flags=allow-key-locking", ""],
};
for (const [what, [from, to]] of Object.entries(TEXTS)) {
  test(what, () => assert.equal(withoutFlag(from), to));
}

test("a digest is translated only after its text has passed by, in any case of letters", () => {
  const scripts = new ScriptFlags();
  const theirs = sha1("#!lua flags=allow-key-locking\nreturn 1");
  assert.deepEqual(scripts.translate(["EVALSHA", theirs, "0"]), ["EVALSHA", theirs, "0"]);
  assert.deepEqual(scripts.translate(["eval", "#!lua flags=allow-key-locking\nreturn 1", "0"]), ["eval", "\nreturn 1", "0"]);
  assert.deepEqual(scripts.translate(["evalsha_ro", theirs.toUpperCase(), "0"]), ["evalsha_ro", sha1("\nreturn 1"), "0"]);
});

test("other commands pass untouched, whatever their arguments say", () => {
  const command = ["SET", "#!lua flags=allow-key-locking", "#!lua flags=allow-key-locking"];
  assert.deepEqual(new ScriptFlags().translate(command), command);
});

function sha1(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}
