/** Signatures of revisions, and the public keys that are known here. */
import * as z from "zod";
import { Digest } from "../digest.ts";
import { OperationId, Ref, RevisionId } from "../names.ts";
import { KeyId, PublicKey, Signature } from "../signature.ts";
import { REPOSITORY_PATH } from "./repositories.ts";
import type { RouteSpec } from "./route-spec.ts";

/** Public keys of one deployment, revoked ones too. */
export const KEYS_MAX = 100;

export const KeyRequest = z.strictObject({ name: z.string().min(1).max(100), publicKey: PublicKey, operationId: OperationId });
export type KeyRequest = z.infer<typeof KeyRequest>;

export const SigningKey = z.object({
  id: KeyId,
  name: z.string(),
  publicKey: PublicKey,
  createdAt: z.string(),
  createdBy: z.string(),
  /** From then on none of its signatures counts, whenever it was made. */
  revokedAt: z.string().nullable(),
});
export type SigningKey = z.infer<typeof SigningKey>;
export const KeyList = z.object({ keys: z.array(SigningKey) });

export const SignRequest = z.strictObject({ key: KeyId, signature: Signature, operationId: OperationId });
export type SignRequest = z.infer<typeof SignRequest>;

/** `by`: who sent it. `key` is whole, so that a reader needs no other call; who pins an id compares it with the key. */
export const RevisionSignature = z.object({ key: SigningKey, signature: Signature, by: z.string(), at: z.string() });
export type RevisionSignature = z.infer<typeof RevisionSignature>;
export const SignatureList = z.object({ revision: RevisionId, manifest: Digest, signatures: z.array(RevisionSignature) });
export type SignatureList = z.infer<typeof SignatureList>;

const key = z.object({ id: KeyId });
const signed = z.object({ ref: Ref });

export const SIGNATURE_ROUTES = {
  listKeys: {
    method: "GET",
    path: "/api/v1/keys",
    summary: "Public keys that sign revisions",
    needs: "token",
    status: 200,
    answer: KeyList,
  },
  addKey: {
    method: "POST",
    path: "/api/v1/keys",
    summary: "Make a public key known",
    needs: "admin",
    deployment: true,
    status: 201,
    body: KeyRequest,
    answer: SigningKey,
  },
  revokeKey: {
    method: "DELETE",
    path: "/api/v1/keys/:id",
    summary: "Revoke a public key: its signatures count no more",
    needs: "admin",
    deployment: true,
    status: 204,
    params: key,
    query: z.strictObject({ operationId: OperationId }),
    answer: z.null(),
  },
  listSignatures: {
    method: "GET",
    path: `${REPOSITORY_PATH}/revisions/:ref/signatures`,
    summary: "Signatures of a revision's manifest",
    needs: "pull",
    status: 200,
    params: signed,
    answer: SignatureList,
  },
  addSignature: {
    method: "POST",
    path: `${REPOSITORY_PATH}/revisions/:ref/signatures`,
    summary: "Add a signature of a revision's manifest",
    needs: "push",
    status: 201,
    params: signed,
    body: SignRequest,
    answer: SignatureList,
  },
} as const satisfies Record<string, RouteSpec>;
