/** A key that signs revisions, as tests make one: by node:crypto, where the code under test has WebCrypto. */
import { generateKeyPairSync, sign } from "node:crypto";
import type { Digest } from "../../shared/digest.ts";
import { keyIdOf } from "../../shared/signature.ts";

export type Signer = { id: string; publicKey: string; sign(manifest: Digest): string };

export async function makeSigner(): Promise<Signer> {
  const { publicKey: key, privateKey } = generateKeyPairSync("ed25519");
  const publicKey = key.export({ format: "der", type: "spki" }).subarray(-32).toString("base64url");
  return {
    id: await keyIdOf(publicKey),
    publicKey,
    sign: (manifest) => sign(null, Buffer.from(`modelferry-manifest-v1\n${manifest}\n`), privateKey).toString("base64url"),
  };
}
