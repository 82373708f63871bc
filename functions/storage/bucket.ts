/** Small objects of one store, through the SDK. Keys given and returned are relative to the store's prefix. */
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import type { Bucket, ObjectInfo } from "../registry/ports.ts";
import { attempt, type Wire } from "./attempt.ts";
import { type Header, matches } from "./dialects.ts";
import { NoAnswer, StoreAnswer, unavailable } from "./failure.ts";
import { dialectOf, type S3Profile } from "./profile.ts";

/** Most keys that one DeleteObjects takes, and that one page of a listing holds. */
const KEYS_MAX = 1000;
/** How often a create is repeated while the store says that another write is under way. */
const CONFLICTS_MAX = 5;

export class S3Bucket implements Bucket {
  readonly #profile: S3Profile;
  readonly #client: S3Client;
  readonly #wire: Wire;

  constructor(profile: S3Profile, client: S3Client, wire: Wire) {
    this.#profile = profile;
    this.#client = client;
    this.#wire = wire;
  }

  async create(key: string, bytes: Uint8Array): Promise<"created" | "exists"> {
    const dialect = dialectOf(this.#profile);
    for (let count = 0; count < CONFLICTS_MAX; count++) {
      const answer = await this.#ask(() => this.#put(key, bytes, dialect.createOnly));
      if (answer === undefined) return "created";
      if (matches(dialect.exists, answer)) return "exists";
      if (!matches(dialect.conflict, answer)) throw this.#unavailable(answer);
      await this.#wire.wait(50 * 2 ** count);
    }
    throw unavailable(this.#profile.id, "too many writers of one key");
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const answer = await this.#ask(() => this.#put(key, bytes));
    if (answer !== undefined) throw this.#unavailable(answer);
  }

  async get(key: string): Promise<Uint8Array | null> {
    const answer = await this.#ask(() => this.#get(key));
    if (!(answer instanceof StoreAnswer)) return answer;
    // NoSuchBucket is a 404 as well, and says nothing about the key.
    if (answer.status === 404 && answer.code !== "NoSuchBucket") return null;
    throw this.#unavailable(answer);
  }

  async head(key: string): Promise<ObjectInfo | null> {
    const answer = await this.#ask(() => this.#client.send(new HeadObjectCommand(this.#at(key))));
    if (!(answer instanceof StoreAnswer)) return objectInfo(key, answer.ContentLength, answer.LastModified);
    if (answer.status === 404) return null;
    throw this.#unavailable(answer);
  }

  async list(prefix: string, options: { after?: string; limit?: number } = {}): Promise<{ objects: ObjectInfo[]; more: boolean }> {
    const answer = await this.#ask(() => this.#list(prefix, options));
    if (answer instanceof StoreAnswer) throw this.#unavailable(answer);
    return answer;
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (let at = 0; at < keys.length; at += KEYS_MAX) {
      const answer = await this.#ask(() => this.#deletePage(keys.slice(at, at + KEYS_MAX)));
      if (answer !== undefined) throw this.#unavailable(answer);
    }
  }

  async #get(key: string): Promise<Uint8Array> {
    // Whatever encoding an uploader put on a chunk, its bytes are wanted as they are.
    const command = new GetObjectCommand({ ...this.#at(key), ResponseContentEncoding: "identity" });
    const { Body, ContentLength } = await this.#client.send(command);
    if (Body === undefined) throw new NoAnswer("an answer without a body");
    const bytes = await Body.transformToByteArray();
    if (ContentLength !== undefined && bytes.length !== ContentLength) throw new NoAnswer("an answer cut short");
    return bytes;
  }

  async #list(prefix: string, { after, limit = KEYS_MAX }: { after?: string; limit?: number }) {
    const root = this.#profile.prefix;
    const from = after === undefined ? {} : { StartAfter: root + after };
    const command = new ListObjectsV2Command({ Bucket: this.#profile.bucket, Prefix: root + prefix, MaxKeys: limit, ...from });
    const { Contents = [], IsTruncated: more } = await this.#client.send(command);
    // A listing that does not say whether it is whole, or has a gap, must not be taken for whole: what no listing shows is collected.
    if (more === undefined) throw new NoAnswer("a listing that does not say whether it is whole");
    const objects = Contents.map(({ Key, Size, LastModified }) => objectInfo(relative(root, Key), Size, LastModified));
    if (!isAscending(objects, after) || (more && objects.length === 0)) throw new NoAnswer("a listing out of order");
    return { objects, more };
  }

  async #put(key: string, bytes: Uint8Array, condition?: Header): Promise<void> {
    const command = new PutObjectCommand({ ...this.#at(key), Body: bytes, ContentType: "application/octet-stream" });
    if (condition !== undefined) addHeader(command, condition);
    await this.#client.send(command);
  }

  async #deletePage(keys: readonly string[]): Promise<void> {
    const Objects = keys.map((key) => ({ Key: this.#profile.prefix + key }));
    const command = new DeleteObjectsCommand({ Bucket: this.#profile.bucket, Delete: { Objects, Quiet: true } });
    const { Errors = [] } = await this.#client.send(command);
    const real = Errors.filter(({ Code }) => Code !== "NoSuchKey");
    // Transient on purpose: deleting again what is gone already does no harm.
    if (real.length > 0) throw new NoAnswer(`${real.length} of ${keys.length} keys not deleted (${real[0]?.Code ?? "no code"})`);
  }

  /** What `act` gives, after repeats where they may help; a refusal for good is returned, everything else thrown. */
  async #ask<T>(act: () => Promise<T>): Promise<T | StoreAnswer> {
    try {
      return await attempt(this.#wire, this.#profile.id, act);
    } catch (failure) {
      if (failure instanceof StoreAnswer) return failure;
      throw failure;
    }
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#profile.bucket, Key: this.#profile.prefix + key };
  }

  #unavailable(refused: StoreAnswer) {
    return unavailable(this.#profile.id, refused.message);
  }
}

/** For headers that the SDK has no parameter for. */
function addHeader(command: PutObjectCommand, { name, value }: Header): void {
  command.middlewareStack.add(
    (next) => async (args) => {
      const { request } = args;
      if (typeof request === "object" && request !== null && "headers" in request) Object.assign(request.headers ?? {}, { [name]: value });
      return next(args);
    },
    { step: "build", name: "createOnly" },
  );
}

function objectInfo(key: string, sizeBytes: number | undefined, modified: Date | undefined): ObjectInfo {
  if (sizeBytes === undefined || modified === undefined) throw new NoAnswer("an object without length or time");
  return { key, sizeBytes, modifiedAtMs: modified.getTime() };
}

function relative(root: string, key: string | undefined): string {
  if (key === undefined || !key.startsWith(root)) throw new NoAnswer("a listing of other keys than asked for");
  return key.slice(root.length);
}

function isAscending(objects: readonly ObjectInfo[], after = ""): boolean {
  return objects.every(({ key }, at) => compareUtf8(at === 0 ? after : (objects[at - 1]?.key ?? ""), key) < 0);
}

/** S3 orders keys by their UTF-8 bytes: that is the order of JavaScript's code units, but for surrogates, which come last. */
function compareUtf8(a: string, b: string): number {
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    const difference = utf8Rank(a.charCodeAt(at)) - utf8Rank(b.charCodeAt(at));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function utf8Rank(codeUnit: number): number {
  return codeUnit >= 0xd800 && codeUnit <= 0xdfff ? codeUnit + 0x10000 : codeUnit;
}
