/** What is sent of an event: thin, for whoever wants more asks by what it names. */
import { PAYLOAD_BYTES_MAX, type StoredWebhook } from "../../../shared/contract/hooks.ts";
import { sha256 } from "../../../shared/digest.ts";
import type { RepositoryName } from "../../../shared/names.ts";
import { isoTime } from "../../../shared/time.ts";
import type { StoredEvent } from "../events/ports.ts";
import type { Delivery } from "./ports.ts";

/** @param name of the event's repository, null when it has none (any more) */
export async function messageFor(webhook: StoredWebhook, event: StoredEvent, name: RepositoryName | null): Promise<Delivery> {
  // Of one that was removed and made anew others know by its time.
  const digest = await sha256(`${webhook.name} ${webhook.createdAt} ${event.id}`);
  const { type, atMs: createdAtMs } = event;
  return {
    id: `msg_${digest.slice(0, 32)}`,
    webhook: webhook.name,
    event: event.id,
    type,
    createdAtMs,
    body: bodyOf(webhook, event, name),
  };
}

function bodyOf(webhook: StoredWebhook, event: StoredEvent, name: RepositoryName | null): string {
  const whole = JSON.stringify(payloadOf(webhook, event, name));
  return whole.length * 3 <= PAYLOAD_BYTES_MAX || new TextEncoder().encode(whole).length <= PAYLOAD_BYTES_MAX
    ? whole
    : JSON.stringify(payloadOf(webhook, { ...event, about: {} }, name));
}

function payloadOf({ format }: StoredWebhook, event: StoredEvent, repository: RepositoryName | null): object {
  const time = isoTime(event.atMs);
  const data = { id: event.id, repository, repositoryId: event.repositoryId ?? null, ...event.about };
  if (format === "standard") return { type: event.type, timestamp: time, data };
  return {
    specversion: "1.0",
    id: event.id,
    source: "/modelferry",
    type: `modelferry.${event.type}`,
    time,
    datacontenttype: "application/json",
    ...(repository === null ? {} : { subject: repository }),
    data,
  };
}
