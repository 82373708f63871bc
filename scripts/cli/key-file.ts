/** Keys that sign revisions, as files: PKCS #8 and SPKI in PEM, as `openssl genpkey -algorithm ed25519` makes them. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { keyIdOf, signedBytes } from "../../shared/signature.ts";
import { unreadable, unwritable } from "../node/fs-errors.ts";

/** `publicKey`: its 32 raw bytes as base64url. */
export type PublicKeyFile = { id: string; publicKey: string };
export type Signer = PublicKeyFile & { sign(manifest: Digest): string };

/** Makes `path`, which its owner alone may read, and `path.pub`. Throws FILE_UNWRITABLE, also when one is there already. */
export async function createKeyFiles(path: string): Promise<PublicKeyFile> {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  await writeNew(path, privateKey.export({ format: "pem", type: "pkcs8" }).toString(), 0o600);
  await writeNew(`${path}.pub`, publicKey.export({ format: "pem", type: "spki" }).toString(), 0o644);
  return publicOf(publicKey);
}

async function writeNew(path: string, text: string, mode: number): Promise<void> {
  await writeFile(path, text, { mode, flag: "wx" }).catch((error: unknown) => {
    throw unwritable(path, error);
  });
}

/** Throws FILE_UNREADABLE; never with anything of the file's content. */
export async function readSigner(path: string): Promise<Signer> {
  const key = await readKey(path, createPrivateKey);
  const known = await publicOf(createPublicKey(key));
  return { ...known, sign: (manifest) => sign(null, signedBytes(manifest), key).toString("base64url") };
}

/** A private key's file tells its public key, too. Throws FILE_UNREADABLE. */
export async function readPublicKey(path: string): Promise<PublicKeyFile> {
  return publicOf(await readKey(path, createPublicKey));
}

async function readKey(path: string, parse: (pem: string) => KeyObject): Promise<KeyObject> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw unreadable(path, error);
  });
  const key = parsed(text, parse);
  if (key?.asymmetricKeyType === "ed25519") return key;
  throw new FerryError("FILE_UNREADABLE", { path, problem: "it is no Ed25519 key in PEM; make one with `ferry key create`" });
}

function parsed(text: string, parse: (pem: string) => KeyObject): KeyObject | null {
  try {
    return parse(text);
  } catch {
    return null;
  }
}

async function publicOf(key: KeyObject): Promise<PublicKeyFile> {
  const publicKey = key.export({ format: "der", type: "spki" }).subarray(-32).toString("base64url");
  return { id: await keyIdOf(publicKey), publicKey };
}
