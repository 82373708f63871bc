/**
 * What the pages tell people to type works: blocks marked `sh run` are run, a page after the other, each as one script in a folder of its own,
 * against a running system. `ferry` and `npx ferry` are the program that is built of this tree.
 */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { buildFerry } from "../../scripts/build.ts";
import { findProgram } from "../../scripts/stack/child.ts";
import { type Live, startLive, writeSafetensors } from "../support/live.ts";
import { type Page, pages } from "../support/markdown.ts";
import { whyNoRedis } from "../support/stack.ts";
import { tempFolder } from "../support/trees.ts";

const NEEDED = ["bash", "curl", "jq", "openssl", "uuidgen", "sha256sum"];
const PAGE_TIMEOUT_MS = 170_000;
const RUN = /^(sh|bash) run$/;

const missing = NEEDED.filter((program) => findProgram(program) === null);
const skip = whyNoRedis() || (missing.length > 0 && `there is no ${missing.join(", ")}`);

describe("what the pages tell people to type", { skip }, () => {
  const folder = tempFolder();
  const runnable = pages().filter(({ blocks }) => blocks.some(({ info }) => RUN.test(info)));
  let live: Live;
  before(async () => {
    live = await startLive({ runtime: "node" });
    // As it is shipped: it starts four times as fast as the source.
    const ferry = join(folder.path, "ferry.mjs");
    await buildFerry(ferry);
    makePrograms(join(folder.path, "bin"), ferry);
  });
  after(async () => {
    await live?.stop();
    folder.remove();
  });

  test("there are pages to be tried, README among them", () => {
    assert.ok(runnable.some(({ path }) => path === "README.md"));
  });

  for (const page of runnable) {
    test(`${page.path} works as it stands`, async () => {
      const home = join(folder.path, page.path.replace(/\W/g, "-"));
      mkdirSync(join(home, ".ferry"), { recursive: true });
      furnish(home, live.env());
      const { code, output } = await run(scriptOf(page), home, join(folder.path, "bin"));
      assert.equal(code, 0, output.slice(-3000));
    });
  }

  /** Each block says where it stands, so that a failure names its line. */
  function scriptOf({ path, blocks }: Page): string {
    const parts = blocks.filter(({ info }) => RUN.test(info)).map(({ line, text }) => `echo '--- ${path}:${line}' >&2\n${text}`);
    return `set -euo pipefail\n${parts.join("\n")}`;
  }

  function run(script: string, cwd: string, bin: string): Promise<{ code: number; output: string }> {
    const env = {
      ...live.env(),
      PATH: `${bin}:${process.env["PATH"] ?? ""}`,
      HOME: cwd,
      XDG_CONFIG_HOME: cwd,
      XDG_CACHE_HOME: cwd,
      LC_ALL: "C.UTF-8",
    };
    return new Promise((resolve) => {
      const child = execFile(
        "bash",
        ["-c", script],
        { cwd, env, timeout: PAGE_TIMEOUT_MS, maxBuffer: 1 << 24 },
        (error, stdout, stderr) => {
          const code = error === null ? 0 : (child.exitCode ?? 1);
          resolve({ code, output: `${stdout}\n${stderr}` });
        },
      );
    });
  }
});

/** `npx ferry` and `ferry`, as they are on a machine with the clone. */
function makePrograms(bin: string, ferry: string): void {
  mkdirSync(bin);
  const program = (name: string, text: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  program("ferry", `exec '${process.execPath}' '${ferry}' "$@"`);
  program("npx", `[ "$1" = ferry ] && shift && exec ferry "$@"`);
  assert.equal(spawnSync(join(bin, "npx"), ["other"]).status, 1);
}

/** What readers have: a model, and the settings of their local stack. */
function furnish(home: string, env: Record<string, string>): void {
  const settings = ["FERRY_ENDPOINT", "FERRY_TOKEN"].map((name) => `${name}=${env[name] ?? ""}`);
  writeFileSync(join(home, ".ferry", "dev.env"), `${settings.join("\n")}\n`);
  const tensors = {
    "layer.0": { sizeBytes: 5_000_000, seed: "0" },
    "layer.1": { sizeBytes: 5_000_000, seed: "1" },
    bias: { sizeBytes: 4_000, seed: "b" },
  };
  writeSafetensors(join(home, "my-model", "model.safetensors"), tensors);
  writeFileSync(join(home, "my-model", "config.json"), '{"layers": 2}\n');
}
