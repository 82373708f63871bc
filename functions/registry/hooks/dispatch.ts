/**
 * From the feed to deliveries. A note keeps how far the feed was gone through; deliveries are enqueued before it moves, under ids made from
 * the event and the webhook, so two who do this at the same time, or one who is cut off, make each delivery once.
 */
import { matchesEvent, type StoredWebhook } from "../../../shared/contract/hooks.ts";
import { matchesGlob, type RepositoryName } from "../../../shared/names.ts";
import { isAfter, namesIn } from "../events/feed.ts";
import type { StoredEvent } from "../events/ports.ts";
import type { Ports } from "../ports.ts";
import { messageFor } from "./message.ts";
import type { Delivery } from "./ports.ts";

const NOTE = "webhooks";
const PAGE = 200;

export type Dispatched = { events: number; deliveries: number; missed: boolean };

/** Where the feed ends now, at which a new webhook begins; where dispatching begins, when it never did. */
export async function beginDispatch(ports: Ports): Promise<string> {
  const { newest } = await ports.events.read({ after: null, limit: 1 });
  await ports.notes.swap(NOTE, null, newest);
  return newest;
}

/** Goes through what is new, until `untilMs`. */
export async function dispatch(ports: Ports, webhooks: readonly StoredWebhook[], untilMs: number): Promise<Dispatched> {
  const dispatched: Dispatched = { events: 0, deliveries: 0, missed: false };
  for (let note = await ports.notes.read(NOTE); ports.clock.now() <= untilMs; ) {
    // Without a note the index was lost, and with it the feed: what is in it now was written since.
    const page = await ports.events.read({ after: note ?? "0-0", limit: PAGE });
    const last = page.events.at(-1);
    if (last === undefined) return dispatched;
    dispatched.missed ||= page.missed;
    dispatched.events += page.events.length;
    dispatched.deliveries += await enqueue(ports, webhooks, page.events);
    if (!(await ports.notes.swap(NOTE, note, last.cursor))) return dispatched;
    note = last.cursor;
  }
  return dispatched;
}

async function enqueue(ports: Ports, webhooks: readonly StoredWebhook[], events: readonly StoredEvent[]): Promise<number> {
  const names = await namesIn(ports, events);
  const nowMs = ports.clock.now();
  let count = 0;
  for (const webhook of webhooks.filter(({ disabled }) => disabled === null)) {
    const deliveries: Delivery[] = [];
    for (const event of events) {
      const name = names.get(event.cursor) ?? null;
      if (wants(webhook, event, name)) deliveries.push(await messageFor(webhook, event, name));
    }
    if (deliveries.length > 0) await ports.deliveries.enqueue(webhook.name, deliveries, nowMs);
    count += deliveries.length;
  }
  return count;
}

function wants(webhook: StoredWebhook, event: StoredEvent, name: RepositoryName | null): boolean {
  if (!isAfter(event.cursor, webhook.since)) return false;
  if (!webhook.events.some((glob) => matchesEvent(glob, event.type))) return false;
  return webhook.repositories === "*" || webhook.repositories === "**" || (name !== null && matchesGlob(webhook.repositories, name));
}
