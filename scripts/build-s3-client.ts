/**
 * Makes `dist/worker/client-s3.js`: of @aws-sdk/client-s3 what the Worker uses, 21 KiB of gzip less than what wrangler would take in. The SDK's
 * one file of schemas spells its keys by constants (`[_hE]: 200`), which keeps esbuild from seeing that most of it is unused; here they
 * are spelled out first. Its rules for endpoints are left out. Nothing else is changed; what the SDK imports stays imported.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Also in wrangler.toml. */
const CLIENT_FILE = join(ROOT, "dist", "worker", "client-s3.js");

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
  return source.replace(/\[(_\w+)\]:/g, (whole, name: string) => (texts.has(name) ? `${texts.get(name)}:` : whole));
}

export async function buildS3Client(): Promise<void> {
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    stdin: { contents: `export { ${USED.join(", ")} } from "@aws-sdk/client-s3";`, resolveDir: ROOT },
    outfile: CLIENT_FILE,
    bundle: true,
    format: "esm",
    platform: "browser",
    conditions: ["workerd", "worker", "browser"],
    target: "es2024",
    external: ["@smithy/*", "@aws-sdk/core", "@aws-sdk/core/*", "@aws-sdk/middleware-*", "@aws-sdk/checksums", "@aws-sdk/checksums/*"],
    plugins: [spelledKeys, noEndpointRules],
    write: false,
    legalComments: "none",
    logLevel: "warning",
  });
  const [made] = outputFiles;
  if (made === undefined) throw new Error("esbuild made nothing of @aws-sdk/client-s3");
  await writeChanged(made.contents);
}

/** Renamed into place, so that builds at the same time read the old one or the new one. */
async function writeChanged(bytes: Uint8Array): Promise<void> {
  const old = await readFile(CLIENT_FILE).catch(() => null);
  if (old?.equals(bytes)) return;
  await mkdir(dirname(CLIENT_FILE), { recursive: true });
  const fresh = `${CLIENT_FILE}.${process.pid}.new`;
  await writeFile(fresh, bytes);
  await rename(fresh, CLIENT_FILE);
}
