/** Whether a message is from whom it says, and which one it is. */
import type { SourceKind } from "../../../shared/contract/hooks.ts";
import { sha256 } from "../../../shared/digest.ts";
import { hexMac, isSame, webhookProblem } from "../../../shared/webhook.ts";

export type Incoming = { headers: Headers; body: string };
/** `id`: the same when it is sent again. */
export type Proof = { id: string } | { problem: string };

/**
 * Where the sender signs an id and a time, a message is that id; else it is what its body says: headers that nobody signed may be changed by
 * whoever sends it once more.
 */
export async function proofOf(kind: SourceKind, secret: string, incoming: Incoming, nowMs: number): Promise<Proof> {
  if (kind === "standard") return standardProof(secret, incoming, nowMs);
  const { headers, body } = incoming;
  const [expected, given] =
    kind === "github" ? [`sha256=${await hexMac(secret, body)}`, headers.get("x-hub-signature-256")] : [secret, secretIn(headers)];
  return (await isSame(expected, given ?? "")) ? { id: await sha256(body) } : { problem: PROBLEMS[kind] };
}

const PROBLEMS = {
  github: "x-hub-signature-256 is not right",
  huggingface: "x-webhook-secret is not right",
  secret: "neither x-webhook-secret nor authorization holds the secret",
} as const;

async function standardProof(secret: string, { headers, body }: Incoming, nowMs: number): Promise<Proof> {
  const signed = { id: headers.get("webhook-id") ?? "", timestamp: headers.get("webhook-timestamp") ?? "", body };
  const problem = await webhookProblem([secret], signed, headers.get("webhook-signature") ?? "", nowMs);
  return problem === null ? { id: await sha256(signed.id) } : { problem };
}

function secretIn(headers: Headers): string | null {
  return headers.get("x-webhook-secret") ?? /^bearer (.+)$/i.exec(headers.get("authorization") ?? "")?.[1] ?? null;
}
