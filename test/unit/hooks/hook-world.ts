/** An app with a repository, and what tests of events and webhooks ask of it. */

import { type MemoryApp, memoryApp, operationId, repositoryName } from "../../support/memory-app.ts";
import { MemoryOutbound } from "../../support/memory-hooks.ts";
import { Pusher } from "../../support/pusher.ts";

export const MODEL = repositoryName("team/model");
export const RECEIVER = "https://ci.team.dev/hook";

export type HookWorld = { app: MemoryApp; pusher: Pusher; outbound: MemoryOutbound };

export async function hookWorld(): Promise<HookWorld> {
  const outbound = new MemoryOutbound();
  const app = await memoryApp({ decorate: (ports) => ({ ...ports, outbound }) });
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(MODEL);
  return { app, pusher, outbound };
}

export async function createWebhook({ app }: HookWorld, more: object = {}): Promise<string> {
  const body = { name: "ci", url: RECEIVER, operationId: operationId(), ...more };
  return (await app.admin.call("createWebhook", { body })).secret;
}

export async function tag({ app }: HookWorld, name: string): Promise<void> {
  const body = { ref: "main", force: true, operationId: operationId() };
  await app.admin.call("setTag", { repository: MODEL, params: { tag: name }, body });
}
