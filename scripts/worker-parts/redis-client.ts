/**
 * Makes `dist/worker/upstash-redis.js`: @upstash/redis without its methods for each of Redis's commands, of which functions/metadata/upstash.ts uses
 * one: 14 KiB of gzip less. They are members of one class, so no bundler can leave them out.
 */
import { readFile } from "node:fs/promises";
import type { Plugin } from "esbuild";
import { buildLean } from "./lean.ts";

/** What of class Redis stays: its state, EVAL, and what its own constructors call. */
const KEPT = new Set(["client", "opts", "enableTelemetry", "enableAutoPipelining", "constructor", "addTelemetry", "eval"]);
const CLASS = /^var Redis = class \{\n([\s\S]*?)^\};$/m;
/** A member begins two spaces in, and so does its end; `get`, `set` and `static` are words before its name. */
const MEMBER = /^ {2}(?:(?:get|set|static) )?(\w+)\b/;

const fewMembers: Plugin = {
  name: "few members",
  setup(build) {
    build.onLoad({ filter: /@upstash\/redis\/chunk-\w+\.mjs$/ }, async ({ path }) => {
      return { contents: leaveOutMembers(await readFile(path, "utf8")), loader: "js" };
    });
  },
};

/** Throws Error when the package is not written as this file knows it. */
function leaveOutMembers(source: string): string {
  const found = CLASS.exec(source);
  if (found?.[1] === undefined) throw new Error("@upstash/redis has no class Redis where it is looked for");
  const kept: string[] = [];
  const names = new Set<string>();
  let isKept = false;
  for (const line of found[1].split("\n")) {
    const name = MEMBER.exec(line)?.[1];
    if (name !== undefined) isKept = KEPT.has(name);
    if (name !== undefined && isKept) names.add(name);
    if (isKept) kept.push(line);
  }
  const missing = [...KEPT].filter((name) => !names.has(name));
  if (missing.length > 0) throw new Error(`@upstash/redis: class Redis has no ${missing.join(", ")}`);
  return source.replace(CLASS, () => `var Redis = class {\n${kept.join("\n")}\n};`);
}

export function buildRedisClient(): Promise<void> {
  return buildLean({
    file: "upstash-redis.js",
    contents: 'export { errors, Redis } from "@upstash/redis/cloudflare";',
    external: [],
    plugins: [fewMembers],
  });
}
