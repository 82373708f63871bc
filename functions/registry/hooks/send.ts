/** Sends what is due. At least once: an attempt whose sender dies is made again when its claim ends, under the same id. */
import type { StoredWebhook } from "../../../shared/contract/hooks.ts";
import { sha256 } from "../../../shared/digest.ts";
import { OperationId } from "../../../shared/names.ts";
import { urlProblem } from "../../../shared/public-url.ts";
import { signWebhook } from "../../../shared/webhook.ts";
import { tell } from "../events/feed.ts";
import { pooled, STORE_WIDTH } from "../pool.ts";
import type { Ports } from "../ports.ts";
import type { Claim, Outcome, Posted } from "./ports.ts";
import { disableWebhook, secretsOf } from "./webhooks.ts";

const TIMEOUT_MS = 15_000;
/** Longer than an attempt takes. */
const CLAIM_MS = 30_000;
const CLAIMS_MAX = 12;
const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
/** How long to wait after each attempt; after the last it is given up. */
const WAITS_MS = [5 * SECOND, 300 * SECOND, 1_800 * SECOND, ...[2, 5, 10, 14, 20, 24].map((hours) => hours * HOUR)];
const JITTER = 0.2;
const GONE = 410;

export type Sent = { sent: number; delivered: number; failed: number };

/** Until none is due, or `untilMs`: attempts that were begun by then are ended. */
export async function sendDue(ports: Ports, webhooks: readonly StoredWebhook[], untilMs: number): Promise<Sent> {
  const sent: Sent = { sent: 0, delivered: 0, failed: 0 };
  while (ports.clock.now() <= untilMs) {
    const nowMs = ports.clock.now();
    const claims = await ports.deliveries.claim(nowMs, nowMs + CLAIM_MS, CLAIMS_MAX);
    if (claims.length === 0) break;
    const outcomes = await pooled(claims, STORE_WIDTH, (claim) => attempt(ports, webhooks, claim));
    sent.sent += claims.length;
    sent.delivered += outcomes.filter(({ state }) => state === "delivered").length;
    sent.failed += outcomes.filter(({ state }) => state === "failed").length;
  }
  return sent;
}

/** One, now, whenever it is due. Null: it is not there. */
export async function sendNow(ports: Ports, webhooks: readonly StoredWebhook[], id: string): Promise<Outcome | null> {
  const claim = await ports.deliveries.take(id, ports.clock.now() + CLAIM_MS);
  return claim === null ? null : attempt(ports, webhooks, claim);
}

async function attempt(ports: Ports, webhooks: readonly StoredWebhook[], claim: Claim): Promise<Outcome> {
  const webhook = webhooks.find(({ name }) => name === claim.delivery.webhook);
  const posted = await post(ports, webhook, claim);
  const outcome = outcomeOf(ports, claim, posted);
  if (await ports.deliveries.settle(claim, outcome)) {
    if (webhook !== undefined && "status" in posted && posted.status === GONE) await disable(ports, webhook);
  }
  return outcome;
}

async function post(ports: Ports, webhook: StoredWebhook | undefined, { delivery }: Claim): Promise<Posted> {
  if (webhook === undefined) return { problem: "the webhook is gone" };
  if (webhook.disabled !== null) return { problem: `the webhook is disabled: ${webhook.disabled}` };
  const refused = urlProblem(webhook.url, ports.outbound.privateHosts);
  if (refused !== null) return { problem: `its URL is refused: ${refused}` };
  const { id, body } = delivery;
  const timestamp = String(Math.floor(ports.clock.now() / 1000));
  const headers = {
    "content-type": webhook.format === "standard" ? "application/json" : "application/cloudevents+json",
    "user-agent": "modelferry-webhooks/1",
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": await signWebhook(await secretsOf(ports, webhook), { id, timestamp, body }),
  };
  return ports.outbound.post({ url: webhook.url, headers, body, timeoutMs: TIMEOUT_MS });
}

function outcomeOf(ports: Ports, { attempts }: Claim, posted: Posted): Outcome {
  const atMs = ports.clock.now();
  const status = "status" in posted ? posted.status : null;
  if (status !== null && status >= 200 && status < 300) return { state: "delivered", dueMs: null, last: { atMs, status, problem: null } };
  const last = { atMs, status, problem: "problem" in posted ? posted.problem.slice(0, 200) : null };
  const waitMs = WAITS_MS[attempts - 1];
  if (waitMs === undefined || status === GONE) return { state: "failed", dueMs: null, last };
  const askedMs = "retryAfterSeconds" in posted ? Math.min((posted.retryAfterSeconds ?? 0) * SECOND, 24 * HOUR) : 0;
  return { state: "waiting", dueMs: atMs + Math.max(jittered(ports, waitMs), askedMs), last };
}

/** 10 % less to 10 % more. */
function jittered(ports: Ports, waitMs: number): number {
  const [byte = 0] = ports.random.bytes(1);
  return Math.round(waitMs * (1 - JITTER / 2 + (JITTER * byte) / 255));
}

async function disable(ports: Ports, { name, secret }: StoredWebhook): Promise<void> {
  const operationId = OperationId.parse((await sha256(`disable ${name} ${secret}`)).slice(0, 40));
  await disableWebhook(ports, name, "its receiver answered 410 Gone", operationId);
  await tell(ports, { type: "webhook.disabled", about: { webhook: name, reason: "410 Gone" } });
}
