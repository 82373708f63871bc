/** Webhooks: whom the deployment tells what happens, and by whom it lets itself be told. */
import * as z from "zod";
import { NamePart, OperationId, Ref, RefName, RepositoryGlob, RepositoryName } from "../names.ts";
import { GroupName } from "./agents-names.ts";
import { RefGlob } from "./replication.ts";

export const WEBHOOKS_MAX = 50;
export const SOURCES_MAX = 50;
/** Bytes of a message that we send, at most. */
export const PAYLOAD_BYTES_MAX = 20_000;

export const EventGlob = z
  .string()
  .max(100)
  .regex(/^(\*|[A-Za-z0-9_.:-]+(\.\*)?)(?![\s\S])/, "an event such as tag.moved, tag.* for all of its kind, or * for all");

export function matchesEvent(glob: string, type: string): boolean {
  return glob === "*" || glob === type || (glob.endsWith(".*") && type.startsWith(glob.slice(0, -1)));
}

export const WebhookFormat = z.enum(["standard", "cloudevents"]);

const told = {
  name: NamePart,
  url: z.string().min(1).max(2000),
  events: z.array(EventGlob).min(1).max(30).default(["*"]),
  repositories: RepositoryGlob.default(RepositoryGlob.parse("*")),
  format: WebhookFormat.default("standard"),
};

export const WebhookRequest = z.strictObject({ ...told, operationId: OperationId });
export type WebhookRequest = z.infer<typeof WebhookRequest>;

/** Secrets are sealed (docs/decisions). `since`: the feed's end when it was made. `disabled`: why nothing is sent any more. */
export const StoredWebhook = z.strictObject({
  ...told,
  secret: z.string(),
  previous: z.strictObject({ secret: z.string(), until: z.iso.datetime() }).nullable(),
  since: z.string(),
  createdAt: z.iso.datetime(),
  createdBy: z.string(),
  rotatedAt: z.iso.datetime().nullable(),
  disabled: z.string().nullable(),
});
export type StoredWebhook = z.infer<typeof StoredWebhook>;

export const Webhook = z.object({
  ...told,
  createdAt: z.string(),
  createdBy: z.string(),
  rotatedAt: z.string().nullable(),
  /** Until then messages carry a signature by the secret before, too. */
  previousUntil: z.string().nullable(),
  disabled: z.string().nullable(),
});
export type Webhook = z.infer<typeof Webhook>;
export const WebhookList = z.object({ webhooks: z.array(Webhook) });
/** `secret` is shown once. */
export const WebhookMade = z.object({ webhook: Webhook, secret: z.string() });
export type WebhookMade = z.infer<typeof WebhookMade>;
export const RotateRequest = z.strictObject({ operationId: OperationId, overlapSeconds: z.int().min(0).max(2_592_000).default(86_400) });

export const DeliveryState = z.enum(["waiting", "delivered", "failed"]);
/** `status`: of the last attempt's answer; null when there was none. */
export const DeliverySummary = z.object({
  id: z.string(),
  event: z.string(),
  type: z.string(),
  createdAt: z.string(),
  state: DeliveryState,
  attempts: z.int(),
  status: z.int().nullable(),
  problem: z.string().nullable(),
  triedAt: z.string().nullable(),
  againAt: z.string().nullable(),
});
export type DeliverySummary = z.infer<typeof DeliverySummary>;
export const DeliveryList = z.object({ deliveries: z.array(DeliverySummary) });
export const DeliveryQuery = z.object({ limit: z.coerce.number().int().min(1).max(500).default(50), state: DeliveryState.optional() });
export const DeliveryId = z.string().regex(/^msg_[0-9a-f]{32}(?![\s\S])/, "the id of a delivery");

// ---- the other way ----------------------------------------------------------------------------------------------------------

/** How a source proves itself: Standard Webhooks' signature, GitHub's, Hugging Face's header, or a secret in a header or as bearer. */
export const SourceKind = z.enum(["standard", "github", "huggingface", "secret"]);
export type SourceKind = z.infer<typeof SourceKind>;

const target = { repository: RepositoryName, ref: Ref };
export const HookAction = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("replicate"), policy: NamePart }),
  z.strictObject({ kind: z.literal("warm"), ...target, group: GroupName.default("default") }),
  /** `from`: an ImportFrom, which older records may not be. */
  z.strictObject({ kind: z.literal("import"), from: z.string().min(1).max(500), to: RepositoryName, branch: RefName.optional() }),
]);
export type HookAction = z.infer<typeof HookAction>;

/** `from`: a glob of the name that the sender calls its repository by. `ref`: of its branch or tag. */
export const HookRule = z.strictObject({
  event: EventGlob.default("*"),
  from: z.string().min(1).max(200).default("*"),
  ref: RefGlob.default("*"),
  action: HookAction,
});
export type HookRule = z.infer<typeof HookRule>;

const source = { name: NamePart, kind: SourceKind, rules: z.array(HookRule).max(20).default([]) };
/** `secret`: what was agreed upon with the sender; left out, one is made. */
export const SourceRequest = z.strictObject({ ...source, secret: z.string().min(16).max(200).optional(), operationId: OperationId });
export type SourceRequest = z.infer<typeof SourceRequest>;
export const StoredSource = z.strictObject({ ...source, secret: z.string(), createdAt: z.iso.datetime(), createdBy: z.string() });
export type StoredSource = z.infer<typeof StoredSource>;
export const HookSource = z.object({ ...source, createdAt: z.string(), createdBy: z.string() });
export type HookSource = z.infer<typeof HookSource>;
export const SourceList = z.object({ sources: z.array(HookSource) });
export const SourceMade = z.object({ source: HookSource, secret: z.string() });
export type SourceMade = z.infer<typeof SourceMade>;

/** `id`: of the message, as it is remembered. `state`: a duplicate was done before. */
export const HookReceipt = z.object({
  id: z.string(),
  state: z.enum(["done", "duplicate"]),
  event: z.string(),
  actions: z.array(z.object({ kind: z.string(), target: z.string(), done: z.boolean() })),
});
export type HookReceipt = z.infer<typeof HookReceipt>;

export const StoredHooks = z.strictObject({
  webhooks: z.array(StoredWebhook).max(WEBHOOKS_MAX),
  sources: z.array(StoredSource).max(SOURCES_MAX),
});
export type StoredHooks = z.infer<typeof StoredHooks>;

export const HookPath = z.object({ webhook: NamePart });
export const SourcePath = z.object({ source: NamePart });
export const DeliveryPath = z.object({ webhook: NamePart, delivery: DeliveryId });
