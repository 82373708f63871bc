/**
 * Signatures of revisions: Ed25519 over `modelferry-manifest-v1\n<sha256 of the manifest, hex>\n`.
 *
 * The manifest covers paths, sizes, modes and the sha256 of every file, and nothing of the repository, the store or the time: so one
 * signature is good for that content wherever it lies (docs/decisions/0015). A key's id is the first 32 hex characters of the SHA-256 of
 * its 32 raw bytes: whoever knows the id knows the key.
 */
import * as z from "zod";
import { type Digest, fromBase64Url, sha256 } from "./digest.ts";

const PURPOSE = "modelferry-manifest-v1";
const encoder = new TextEncoder();

function base64Url(bytes: number) {
  const length = Math.ceil((bytes * 4) / 3);
  return z
    .string()
    .length(length)
    .regex(/^[A-Za-z0-9_-]+(?![\s\S])/, `base64url of ${bytes} bytes`);
}

export const KeyId = z.string().regex(/^[0-9a-f]{32}(?![\s\S])/, "32 lower-case hex characters");
export const PublicKey = base64Url(32);
export const Signature = base64Url(64);

/** What is signed; the first line keeps a signature from meaning something else elsewhere. */
export function signedBytes(manifest: Digest): Uint8Array<ArrayBuffer> {
  return encoder.encode(`${PURPOSE}\n${manifest}\n`) as Uint8Array<ArrayBuffer>;
}

export async function keyIdOf(publicKey: string): Promise<string> {
  return (await sha256(fromBase64Url(publicKey))).slice(0, 32);
}

/** Whether the holder of the key signed this manifest. A text that is no key, or no signature, is none. */
export async function isSignedBy(publicKey: string, manifest: Digest, signature: string): Promise<boolean> {
  if (!PublicKey.safeParse(publicKey).success || !Signature.safeParse(signature).success) return false;
  try {
    const raw = fromBase64Url(publicKey) as Uint8Array<ArrayBuffer>;
    const key = await crypto.subtle.importKey("raw", raw, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", key, fromBase64Url(signature) as Uint8Array<ArrayBuffer>, signedBytes(manifest));
  } catch {
    return false;
  }
}
