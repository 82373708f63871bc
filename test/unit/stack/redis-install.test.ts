import assert from "node:assert/strict";
import { test } from "node:test";
import { type Machine, planInstall } from "../../../scripts/stack/redis-install.ts";

const NOTHING: Machine = { platform: "linux", isRoot: false, hasAptGet: false, hasSudo: false, hasBrew: false };

test("root on Debian installs by apt-get", () => {
  const plan = planInstall({ ...NOTHING, isRoot: true, hasAptGet: true });
  assert.ok("commands" in plan);
  assert.deepEqual(plan.commands.at(-1), [
    "env",
    "DEBIAN_FRONTEND=noninteractive",
    "apt-get",
    "install",
    "-y",
    "-q",
    "--no-install-recommends",
    "redis-server",
  ]);
});

test("sudo is used only where it asks for no password", () => {
  const plan = planInstall({ ...NOTHING, hasAptGet: true, hasSudo: true });
  assert.ok("commands" in plan);
  for (const command of plan.commands) assert.deepEqual(command.slice(0, 2), ["sudo", "-n"]);
});

test("a Mac installs by Homebrew", () => {
  assert.deepEqual(planInstall({ ...NOTHING, platform: "darwin", hasBrew: true }), { commands: [["brew", "install", "redis"]] });
});

const BY_HAND: Record<string, [Machine, RegExp]> = {
  "Debian without rights": [{ ...NOTHING, hasAptGet: true }, /run `sudo apt-get install -y redis-server`/],
  "a Mac without Homebrew": [{ ...NOTHING, platform: "darwin" }, /run `brew install redis`/],
  "another system": [NOTHING, /package manager/],
};
for (const [what, [machine, sentence]] of Object.entries(BY_HAND)) {
  test(`${what} is told in one sentence what to do`, () => {
    const plan = planInstall(machine);
    assert.ok("sentence" in plan);
    assert.match(plan.sentence, sentence);
  });
}
