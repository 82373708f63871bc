/**
 * Credentials for S3 clients, made of a token and kept nowhere. The access key is the token, sealed by the door's key, and the secret key
 * follows from the access key: so the door opens what it is given, and acts as that token and no further. Neither a request nor a
 * presigned URL shows the token. Doors with one key take each other's credentials; a new key ends all of them.
 */
import { hkdfSync, randomBytes } from "node:crypto";
import { closeSync, constants, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { FerryError } from "../../shared/errors.ts";
import { seal, unseal } from "../../shared/sealed.ts";
import { isToken } from "../../shared/token.ts";
import { fsCode, fsProblem } from "../node/fs-errors.ts";
import { makeFolders } from "../node/make-folders.ts";
import { NODE_CRYPTO } from "./s3-crypto.ts";

const PURPOSE = "s3-credentials";
const PREFIX = "FERRY";
const KEY_BYTES = 32;
const SECRET_CHARACTERS = 40;
/** Opened access keys that are remembered. */
const OPENED_MAX = 1000;

export type S3Credentials = { accessKeyId: string; secretAccessKey: string };

export class S3Keys {
  readonly #sealing: Uint8Array;
  readonly #signing: Uint8Array;
  readonly #opened = new Map<string, string>();

  /** @param key 32 bytes or more */
  constructor(key: Uint8Array) {
    const derived = (of: string) => new Uint8Array(hkdfSync("sha256", key, "", of, KEY_BYTES));
    this.#sealing = derived("modelferry s3 seal");
    this.#signing = derived("modelferry s3 secret");
  }

  async make(token: string): Promise<S3Credentials> {
    const accessKeyId = `${PREFIX}${await seal(this.#sealing, randomBytes(12), PURPOSE, token)}`;
    return { accessKeyId, secretAccessKey: this.secretOf(accessKeyId) };
  }

  /** The token within; null when it is none of ours. */
  async tokenOf(accessKeyId: string): Promise<string | null> {
    const known = this.#opened.get(accessKeyId);
    if (known !== undefined) return known;
    if (!accessKeyId.startsWith(PREFIX)) return null;
    const token = await unseal(this.#sealing, PURPOSE, accessKeyId.slice(PREFIX.length));
    if (token === null || !isToken(token)) return null;
    if (this.#opened.size >= OPENED_MAX) this.#opened.clear();
    this.#opened.set(accessKeyId, token);
    return token;
  }

  secretOf(accessKeyId: string): string {
    return Buffer.from(NODE_CRYPTO.hmac(this.#signing, accessKeyId)).toString("base64url").slice(0, SECRET_CHARACTERS);
  }
}

/** The key in a file: 64 hex characters. One that is not there is made. Throws USAGE_INVALID. */
export function readKeyFile(path: string, mayMake: boolean): Uint8Array {
  try {
    const text = readFileSync(path, "utf8").trim();
    if (/^[0-9a-fA-F]{64}$/.test(text)) return Buffer.from(text, "hex");
    throw new FerryError("USAGE_INVALID", { problem: `${path} is no key of the S3 door: 64 hex characters` });
  } catch (error) {
    if (error instanceof FerryError) throw error;
    if (fsCode(error) !== "ENOENT" || !mayMake) throw new FerryError("USAGE_INVALID", { problem: `${path}: ${fsProblem(error)}` });
  }
  const key = randomBytes(KEY_BYTES);
  makeFolders(dirname(path));
  const coming = `${path}.${process.pid}`;
  const fd = openSync(coming, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o600);
  writeSync(fd, `${key.toString("hex")}\n`);
  fsyncSync(fd);
  closeSync(fd);
  renameSync(coming, path);
  return key;
}
