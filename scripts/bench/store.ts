/** The store that everybody is measured against: the bench's own S3 server, or a real one. */
import { createReadStream } from "node:fs";
import { DeleteObjectsCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import type { Store as AppStore } from "../stack/stores.ts";
import type { DataFile } from "./data.ts";
import type { S3Server } from "./s3/server.ts";

export type Scheme = "http" | "https";

export type StoreOptions = {
  scheme: Scheme;
  endpoint: string;
  region: string;
  bucket: string;
  /** As the app names its dialect. */
  provider: string;
  /** Everything is below this key; empty, or with "/" at its end. */
  root: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** What clients must be told to trust; null: what they trust anyhow. */
  caFile: string | null;
  /** Null: a real store, which takes no orders. */
  own: S3Server | null;
  /** Of another store that runs on this machine, when its process is known. */
  pid?: number;
};

const URL_SECONDS = 6 * 3600;
/** Writes of small objects at once. */
const WIDTH = 32;

export class Store {
  readonly options: StoreOptions;
  readonly #client: S3Client;

  constructor(options: StoreOptions) {
    this.options = options;
    const { endpoint, region, accessKeyId, secretAccessKey } = options;
    this.#client = new S3Client({
      endpoint,
      region,
      forcePathStyle: true,
      credentials: { accessKeyId, secretAccessKey },
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
    });
  }

  /** Processes whose CPU is the store's. */
  get pids(): number[] {
    const { own, pid } = this.options;
    return own !== null ? [own.child.pid] : pid === undefined ? [] : [pid];
  }

  /** The store as the app is told of it. */
  appStore(): AppStore {
    const { endpoint, region, bucket, provider, accessKeyId, secretAccessKey } = this.options;
    return {
      id: "home",
      provider,
      addressing: "path",
      prefix: this.key("ferry/"),
      endpoint,
      region,
      bucket,
      accessKeyId,
      secretAccessKey,
    };
  }

  key(path: string): string {
    return this.options.root + path;
  }

  /** Makes objects of files, below `folder`. */
  async put(folder: string, files: readonly DataFile[]): Promise<void> {
    const { own, bucket } = this.options;
    if (own !== null) {
      await own.adopt(files.map(({ name, path, sizeBytes, md5 }) => ({ key: this.key(folder + name), path, sizeBytes, md5 })));
      return;
    }
    for (const { name, path, sizeBytes } of files) {
      const Body = createReadStream(path);
      await this.#client.send(new PutObjectCommand({ Bucket: bucket, Key: this.key(folder + name), Body, ContentLength: sizeBytes }));
    }
  }

  /** A URL by which anybody can read each object. */
  urls(folder: string, files: readonly DataFile[]): Promise<string[]> {
    return Promise.all(files.map(({ name }) => this.#sign(new GetObjectCommand(this.#at(folder + name)))));
  }

  /** A URL by which anybody can write each object. */
  uploadUrls(folder: string, files: readonly DataFile[]): Promise<string[]> {
    return Promise.all(files.map(({ name }) => this.#sign(new PutObjectCommand(this.#at(folder + name)))));
  }

  /** The text of an object. Throws when there is none. */
  async read(path: string): Promise<string> {
    const { Body } = await this.#client.send(new GetObjectCommand(this.#at(path)));
    return (await Body?.transformToString()) ?? "";
  }

  async has(path: string): Promise<boolean> {
    const { Contents = [] } = await this.#client.send(
      new ListObjectsV2Command({ Bucket: this.options.bucket, Prefix: this.key(path), MaxKeys: 1 }),
    );
    return Contents.length > 0;
  }

  /** Writes small objects, many at once. */
  async writeAll(objects: readonly { path: string; text: string }[]): Promise<void> {
    const { own } = this.options;
    if (own !== null) return own.store(objects.map(({ path, text }) => ({ key: this.key(path), text })));
    for (let at = 0; at < objects.length; at += WIDTH) {
      const some = objects.slice(at, at + WIDTH);
      await Promise.all(some.map(({ path, text }) => this.#client.send(new PutObjectCommand({ ...this.#at(path), Body: text }))));
    }
  }

  async remove(folder: string): Promise<void> {
    const { own, bucket } = this.options;
    if (own !== null) return own.remove(this.key(folder));
    for (;;) {
      const { Contents = [] } = await this.#client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: this.key(folder) }));
      if (Contents.length === 0) return;
      const Objects = Contents.map(({ Key }) => ({ Key }));
      await this.#client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }));
    }
  }

  #sign(command: GetObjectCommand | PutObjectCommand): Promise<string> {
    // The SDK's types tell the two apart, its code does not.
    return command instanceof GetObjectCommand
      ? getSignedUrl(this.#client, command, { expiresIn: URL_SECONDS })
      : getSignedUrl(this.#client, command, { expiresIn: URL_SECONDS });
  }

  #at(path: string): { Bucket: string; Key: string } {
    return { Bucket: this.options.bucket, Key: this.key(path) };
  }
}
