/**
 * Makes `dist/worker/client-s3.js`: of @aws-sdk/client-s3 what the Worker uses, 30 KiB of gzip less than what wrangler would take in. The SDK's
 * one file of schemas spells its keys by constants (`[_hE]: 200`), which keeps esbuild from seeing that most of it is unused; here they
 * are spelled out first. What functions/storage/s3-client.ts switches off is replaced or left out; nothing else is changed.
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

/**
 * Files of the SDK that stand for what functions/storage/s3-client.ts switches off, or does itself, by the end of their path. Each keeps
 * the names that others import. test/edge/storage.test.ts runs the client in workerd with them.
 */
const REPLACED: Record<string, string> = {
  // s3-client.ts has its own rules for endpoints: the SDK's are asked only for a way of signing, and then leave it at the usual one.
  "client-s3/dist-es/endpoint/endpointResolver.js": "export const defaultEndpointResolver = () => ({ properties: {} });",
  "client/util-endpoints/lib/aws/partitions.js": 'export const partitionsInfo = { partitions: [], version: "" };',
  // Where S3 demands a checksum, s3-client.ts puts an MD5 in place of the SDK's: told by a header that it replaces.
  "checksums/dist-es/submodules/flexible-checksums/getFlexibleChecksumsPlugin.js": `
    const demanded = (next) => (args) => {
      args.request.headers["x-amz-sdk-checksum-algorithm"] = "MD5";
      return next(args);
    };
    export const getFlexibleChecksumsPlugin = (_, { requestChecksumRequired }) => ({
      applyToStack: (stack) => requestChecksumRequired && stack.add(demanded, { step: "build", name: "flexibleChecksumsMiddleware" }),
    });`,
  "checksums/dist-es/submodules/sha/index.browser.js": "export class Sha1 {}",
  // Only ever asked for more than 8 MiB: by WebCrypto as well, for the pieces are in memory already.
  "checksum/sha256/Sha256Js.js": `
    export class Sha256Js {
      pieces = [];
      constructor(secret) {
        if (secret) throw new Error("no HMAC of so much");
      }
      update(piece) {
        this.pieces.push(piece.slice());
      }
      async digest() {
        return new Uint8Array(await crypto.subtle.digest("SHA-256", await new Blob(this.pieces).arrayBuffer()));
      }
    }`,
  // maxAttempts is 1, in the standard mode.
  "retry/util-retry/AdaptiveRetryStrategy.js": "export class AdaptiveRetryStrategy {}",
  "retry/util-retry/DefaultRateLimiter.js": "export class DefaultRateLimiter {}",
  "middleware-s3-express/classes/S3ExpressIdentityProviderImpl.js": "export class S3ExpressIdentityProviderImpl {}",
};

/** Its plugins for directory buckets, other regions, a question before the body, and customers' keys: none is used. */
const UNPLUGGED = /middleware-(s3-express\/functions|region-redirect|expect-continue|ssec)\/[\w-]+\.js$/;

/** What makes a plugin makes one that adds nothing; what it would have added is then left out as unused. */
function unplug(source: string): string {
  return source.replace(/^export const (get\w+Plugin) = [\s\S]*?^\}\);$/gm, "export const $1 = () => ({ applyToStack() {} });");
}

const replacedFiles: Plugin = {
  name: "replaced files",
  setup(build) {
    const left = new Set(Object.keys(REPLACED));
    build.onLoad({ filter: UNPLUGGED }, async ({ path }) => ({ contents: unplug(await readFile(path, "utf8")), loader: "js" }));
    build.onLoad({ filter: /node_modules\/@(aws-sdk|smithy)\/.*\.js$/ }, ({ path }) => {
      const [end, contents] = Object.entries(REPLACED).find(([end]) => path.endsWith(`/${end}`)) ?? [];
      if (end === undefined || contents === undefined) return undefined;
      left.delete(end);
      return { contents, loader: "js" };
    });
    build.onEnd(() => {
      if (left.size > 0) throw new Error(`the SDK has no longer, or elsewhere: ${[...left].join(", ")}`);
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
    // wrangler.toml says what is taken for these.
    external: ["@aws-sdk/xml-builder", "@smithy/core/event-streams"],
    plugins: [spelledKeys, replacedFiles],
  });
}
