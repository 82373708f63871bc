/** Webhooks: made, changed, looked at. Their names are theirs for good: deliveries of one that was removed go with it. */
import {
  type DeliverySummary,
  type StoredHooks,
  type StoredWebhook,
  WEBHOOKS_MAX,
  type Webhook,
  type WebhookMade,
  type WebhookRequest,
} from "../../../shared/contract/hooks.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { OperationId } from "../../../shared/names.ts";
import { urlProblem } from "../../../shared/public-url.ts";
import { isoTime } from "../../../shared/time.ts";
import type { Caller, Ports } from "../ports.ts";
import { beginDispatch } from "./dispatch.ts";
import type { DeliveryEntry } from "./ports.ts";
import { changeHooks, hooksOf, makeSecret, openSecret, sealSecret } from "./store.ts";

export async function listWebhooks(ports: Ports): Promise<Webhook[]> {
  return (await hooksOf(ports)).webhooks.map(webhookOf);
}

/** Throws WEBHOOK_UNKNOWN. */
export async function readWebhook(ports: Ports, name: string): Promise<Webhook> {
  return webhookOf(named(await hooksOf(ports), name));
}

/** From the next event on. Throws WEBHOOK_EXISTS, URL_REFUSED. */
export async function createWebhook(ports: Ports, caller: Caller, request: WebhookRequest): Promise<WebhookMade> {
  const { operationId, ...told } = request;
  const problem = urlProblem(request.url, ports.outbound.privateHosts);
  if (problem !== null) throw new FerryError("URL_REFUSED", { problem });
  const since = await beginDispatch(ports);
  const secret = await sealSecret(ports, request.name, makeSecret(ports));
  const hooks = await changeHooks(ports, { name: caller.name, operationId }, (all, at) => {
    if (all.webhooks.some(({ name }) => name === request.name)) throw new FerryError("WEBHOOK_EXISTS", { webhook: request.name });
    if (all.webhooks.length >= WEBHOOKS_MAX) throw new FerryError("REQUEST_INVALID", { problem: `there are ${WEBHOOKS_MAX} webhooks` });
    const fresh = { previous: null, since, createdAt: at, createdBy: caller.name, rotatedAt: null, disabled: null };
    return { ...all, webhooks: [...all.webhooks, { ...told, secret, ...fresh }] };
  });
  return made(ports, named(hooks, request.name));
}

/** Throws WEBHOOK_UNKNOWN. */
export async function removeWebhook(ports: Ports, caller: Caller, name: string, operationId: OperationId): Promise<void> {
  await changeHooks(ports, { name: caller.name, operationId }, (all) => {
    const gone = named(all, name);
    return { ...all, webhooks: all.webhooks.filter((other) => other !== gone) };
  });
  await ports.deliveries.drop(name);
}

type Rotation = { operationId: OperationId; overlapSeconds: number };

export async function rotateWebhook(ports: Ports, caller: Caller, name: string, rotation: Rotation): Promise<WebhookMade> {
  const secret = await sealSecret(ports, name, makeSecret(ports));
  const until = isoTime(ports.clock.now() + rotation.overlapSeconds * 1000);
  const hooks = await changeHooks(ports, { name: caller.name, operationId: rotation.operationId }, (all, at) =>
    edited(all, name, (webhook) => ({
      ...webhook,
      secret,
      previous: { secret: webhook.secret, until },
      rotatedAt: at,
      disabled: null,
    })),
  );
  return made(ports, named(hooks, name));
}

/** Nothing is sent there any more, until its secret is rotated. */
export async function disableWebhook(ports: Ports, name: string, why: string, operationId: OperationId): Promise<void> {
  await changeHooks(ports, { name: "webhooks", operationId }, (all) => edited(all, name, (webhook) => ({ ...webhook, disabled: why })));
}

export function summaryOfDelivery({ delivery, state, attempts, last, dueMs }: DeliveryEntry): DeliverySummary {
  const { id, event, type, createdAtMs } = delivery;
  return {
    id,
    event,
    type,
    createdAt: isoTime(createdAtMs),
    state,
    attempts,
    status: last?.status ?? null,
    problem: last?.problem ?? null,
    triedAt: last === null ? null : isoTime(last.atMs),
    againAt: state !== "waiting" || dueMs === null ? null : isoTime(dueMs),
  };
}

/** Secrets that a message to it is signed with now, the newest first. */
export async function secretsOf(ports: Ports, { name, secret, previous }: StoredWebhook): Promise<string[]> {
  const isOverlapping = previous !== null && previous.until > isoTime(ports.clock.now());
  const sealed = isOverlapping ? [secret, previous.secret] : [secret];
  return Promise.all(sealed.map((one) => openSecret(ports, name, one)));
}

export function named({ webhooks }: StoredHooks, name: string): StoredWebhook {
  const webhook = webhooks.find((other) => other.name === name);
  if (webhook === undefined) throw new FerryError("WEBHOOK_UNKNOWN", { webhook: name });
  return webhook;
}

function edited(all: StoredHooks, name: string, edit: (webhook: StoredWebhook) => StoredWebhook): StoredHooks {
  const current = named(all, name);
  return { ...all, webhooks: all.webhooks.map((other) => (other === current ? edit(current) : other)) };
}

async function made(ports: Ports, webhook: StoredWebhook): Promise<WebhookMade> {
  return { webhook: webhookOf(webhook), secret: await openSecret(ports, webhook.name, webhook.secret) };
}

function webhookOf({ secret: _, since: __, previous, ...webhook }: StoredWebhook): Webhook {
  return { ...webhook, previousUntil: previous?.until ?? null };
}
