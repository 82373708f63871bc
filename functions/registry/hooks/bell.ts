/** One round of webhooks: what is new becomes deliveries, what is due is sent. By the minute's bell, and after acts that tell something. */
import type { DeliverySummary } from "../../../shared/contract/hooks.ts";
import { toHex } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { Ports } from "../ports.ts";
import { type Dispatched, dispatch } from "./dispatch.ts";
import { messageFor } from "./message.ts";
import { type Sent, sendDue, sendNow } from "./send.ts";
import { hooksOf } from "./store.ts";
import { named, summaryOfDelivery } from "./webhooks.ts";

/** A Worker has 30 s; an attempt may take 15. */
const ROUND_MS = 10_000;

export type Round = Dispatched & Sent & { webhooks: number };

export async function hooksRound(ports: Ports): Promise<Round> {
  const { webhooks } = await hooksOf(ports);
  const idle = { webhooks: 0, events: 0, deliveries: 0, missed: false, sent: 0, delivered: 0, failed: 0 };
  if (webhooks.length === 0) return idle;
  const untilMs = ports.clock.now() + ROUND_MS;
  const dispatched = await dispatch(ports, webhooks, untilMs);
  return { webhooks: webhooks.length, ...dispatched, ...(await sendDue(ports, webhooks, untilMs)) };
}

/** Sends an event of its own, whatever the webhook wants to hear, and tells how that went. */
export async function testWebhook(ports: Ports, name: string): Promise<DeliverySummary> {
  const { webhooks } = await hooksOf(ports);
  const webhook = named({ webhooks, sources: [] }, name);
  const id = `test-${toHex(ports.random.bytes(8))}`;
  const event = { type: "webhook.test" as const, id, cursor: "0-0", atMs: ports.clock.now(), about: { webhook: name } };
  const delivery = await messageFor(webhook, event, null);
  // Due when it would be tried again: meanwhile it is sent here.
  await ports.deliveries.enqueue(name, [delivery], ports.clock.now() + 60_000);
  await sendNow(ports, webhooks, delivery.id);
  return deliveryOf(ports, name, delivery.id);
}

/** Throws DELIVERY_UNKNOWN. */
export async function replayDelivery(ports: Ports, name: string, id: string): Promise<DeliverySummary> {
  const { webhooks } = await hooksOf(ports);
  named({ webhooks, sources: [] }, name);
  await deliveryOf(ports, name, id);
  await sendNow(ports, webhooks, id);
  return deliveryOf(ports, name, id);
}

export async function listDeliveries(ports: Ports, name: string, query: { limit: number; state?: string | undefined }) {
  named(await hooksOf(ports), name);
  const entries = await ports.deliveries.list(name, query.state === undefined ? query.limit : 500);
  const fitting = entries.filter(({ state }) => query.state === undefined || state === query.state);
  return fitting.slice(0, query.limit).map(summaryOfDelivery);
}

async function deliveryOf(ports: Ports, name: string, id: string): Promise<DeliverySummary> {
  const entry = await ports.deliveries.find(id);
  if (entry === null || entry.delivery.webhook !== name) throw new FerryError("DELIVERY_UNKNOWN", { delivery: id, webhook: name });
  return summaryOfDelivery(entry);
}
