import assert from "node:assert/strict";
import { test } from "node:test";
import { ferry } from "../../support/memory-host.ts";

for (const command of ["pull", "push"]) {
  test(`ferry ${command}, which is read without the other commands, is the same as among them`, async () => {
    assert.deepEqual(await ferry([command, "--help"]), await ferry(["help", command]));
    const wrong = await ferry([command, "--nonsense"]);
    assert.equal(wrong.exit, 2);
    assert.deepEqual(wrong, await ferry(["--quiet", command, "--nonsense"]));
  });
}
