/** Signatures as the client uses them: sends its own, and believes no revision that a wanted key has not signed. */
import { stat } from "node:fs/promises";
import type { FerryClient } from "../../shared/client.ts";
import type { RevisionSummary } from "../../shared/contract/repositories.ts";
import type { SignatureList } from "../../shared/contract/signatures.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { RepositoryName } from "../../shared/names.ts";
import { isSignedBy, KeyId, keyIdOf } from "../../shared/signature.ts";
import type { Approve } from "../../shared/transfer/contract.ts";
import { readPublicKey, type Signer } from "./key-file.ts";
import { newOperationId } from "./operation.ts";

type At = { repository: RepositoryName; ref: string };

/** @param manifest as this machine knows it, not as the deployment says. */
export function sendSignature(client: FerryClient, { repository, ref }: At, signer: Signer, manifest: Digest): Promise<SignatureList> {
  const body = { key: signer.id, signature: signer.sign(manifest), operationId: newOperationId() };
  return client.call("addSignature", { repository, params: { ref }, body });
}

/** What was signed there is the same content here. What the deployment no longer takes stays behind. */
export async function carrySignatures(
  client: FerryClient,
  from: At,
  { repository, made }: { repository: RepositoryName; made: RevisionSummary },
): Promise<void> {
  const source = made.origin?.revision ?? from.ref;
  const { signatures } = await client.call("listSignatures", { repository: from.repository, params: { ref: source } });
  for (const { key, signature } of signatures.filter((one) => one.key.revokedAt === null)) {
    const body = { key: key.id, signature, operationId: newOperationId() };
    await client.call("addSignature", { repository, params: { ref: made.revision }, body });
  }
}

/** A key's id: a file of that name would be an odd one, and is named with its folder. Null: whatever key the deployment knows. */
export async function wantedKey(text: string | undefined): Promise<string | null> {
  if (text === undefined) return null;
  if (KeyId.safeParse(text).success) return text;
  await stat(text).catch((cause: unknown) => {
    const problem = `--key: '${text}' is neither a key's id (32 hex characters) nor a file`;
    throw new FerryError("USAGE_INVALID", { problem }, { cause });
  });
  return (await readPublicKey(text)).id;
}

/**
 * Refuses a revision without a good signature. With a wanted key nothing is believed but the signature itself: the key that the answer
 * holds must have the id that was asked for. Without, the deployment is believed about which keys count.
 */
export function signedOnly(client: FerryClient, repository: RepositoryName, key: string | null): Approve {
  return async ({ revision, manifest }) => {
    const { signatures } = await client.call("listSignatures", { repository, params: { ref: revision } });
    for (const signed of signatures) {
      if (key === null ? signed.key.revokedAt !== null : signed.key.id !== key) continue;
      const isKey = (await keyIdOf(signed.key.publicKey)) === signed.key.id;
      if (isKey && signed.key.revokedAt === null && (await isSignedBy(signed.key.publicKey, manifest, signed.signature))) return;
    }
    throw new FerryError("SIGNATURE_MISSING", { revision, keys: key ?? "a key of this deployment" });
  };
}
