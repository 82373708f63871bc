/**
 * Makes `dist/worker/client-s3.js`: of @aws-sdk/client-s3 what the Worker uses, 21 KiB of gzip less than what wrangler would take in. The SDK's
 * one file of schemas spells its keys by constants (`[_hE]: 200`), which keeps esbuild from seeing that most of it is unused; here they
 * are spelled out first. Its rules for endpoints are left out. Nothing else is changed; what the SDK imports stays imported.
 */
import { readFile } from "node:fs/promises";
import type { Plugin } from "esbuild";
import { buildLean } from "./lean.ts";

/** Everything that functions/storage imports by value. Another one fails the Worker's build, which names it. */
const USED = [
  "S3Client",
  "DeleteObjectsCommand",
  "GetBucketCorsCommand",
  "GetBucketLifecycleConfigurationCommand",
  "GetObjectCommand",
  "HeadObjectCommand",
  "ListObjectsV2Command",
  "PutBucketCorsCommand",
  "PutBucketLifecycleConfigurationCommand",
  "PutObjectCommand",
];

const spelledKeys: Plugin = {
  name: "spelled keys",
  setup(build) {
    build.onLoad({ filter: /client-s3\/dist-es\/schemas\/schemas_0\.js$/ }, async ({ path }) => {
      return { contents: spellKeys(await readFile(path, "utf8")), loader: "js" };
    });
  },
};

/** functions/storage/s3-client.ts has its own rules for endpoints: the SDK's are asked only for a way of signing, and then leave it at the usual one. */
const noEndpointRules: Plugin = {
  name: "no endpoint rules",
  setup(build) {
    build.onLoad({ filter: /client-s3\/dist-es\/endpoint\/endpointResolver\.js$/ }, () => {
      return { contents: "export const defaultEndpointResolver = () => ({ properties: {} });", loader: "js" };
    });
  },
};

/** `[_name]:` becomes `"text":` where `const _name = "text";` stands. */
function spellKeys(source: string): string {
  const texts = new Map([...source.matchAll(/^const (_\w+) = ("[^"\\]*");$/gm)].map(([, name = "", text = ""]) => [name, text]));
  if (texts.size === 0) throw new Error("the schemas of @aws-sdk/client-s3 are not written as they were");
  return source.replace(/\[(_\w+)\]:/g, (whole, name: string) => (texts.has(name) ? `${texts.get(name)}:` : whole));
}

export function buildS3Client(): Promise<void> {
  return buildLean({
    file: "client-s3.js",
    contents: `export { ${USED.join(", ")} } from "@aws-sdk/client-s3";`,
    external: ["@smithy/*", "@aws-sdk/core", "@aws-sdk/core/*", "@aws-sdk/middleware-*", "@aws-sdk/checksums", "@aws-sdk/checksums/*"],
    plugins: [spelledKeys, noEndpointRules],
  });
}
