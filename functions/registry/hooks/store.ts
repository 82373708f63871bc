/** Webhooks and sources as they are in the system log: all of them in each record that changes one; their secrets sealed. */
import type { StoredHooks } from "../../../shared/contract/hooks.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { OperationId } from "../../../shared/names.ts";
import { seal, unseal } from "../../../shared/sealed.ts";
import { webhookSecret } from "../../../shared/webhook.ts";
import { actOnce } from "../acts.ts";
import { withWhole } from "../log.ts";
import { systemLog } from "../logs.ts";
import type { Ports } from "../ports.ts";

export function hooksOf(ports: Ports): Promise<StoredHooks> {
  return withWhole(systemLog(ports), () => ports.system.hooks());
}

type By = { name: string; operationId: OperationId };

/** What `edit` makes of them; when the operation was done before, what it made then. */
export async function changeHooks(ports: Ports, by: By, edit: (hooks: StoredHooks, at: string) => StoredHooks): Promise<StoredHooks> {
  const { name: actor, operationId } = by;
  const { webhooks, sources } = await actOnce(systemLog(ports), { operationId, actor }, { op: "hooks" }, async (at, ports) => ({
    op: "hooks" as const,
    ...edit(await ports.system.hooks(), at),
  }));
  return { webhooks, sources };
}

export function makeSecret(ports: Ports): string {
  return webhookSecret(ports.random.bytes(32));
}

/** `name`: whose it is, so that none can be put in another's place. */
export async function sealSecret(ports: Ports, name: string, secret: string): Promise<string> {
  return seal(await keyOf(ports), ports.random.bytes(12), purposeOf(name), secret);
}

/** Throws CONFIG_INVALID when the deployment's secret is another than it was. */
export async function openSecret(ports: Ports, name: string, sealed: string): Promise<string> {
  const secret = await unseal(await keyOf(ports), purposeOf(name), sealed);
  if (secret !== null) return secret;
  throw new FerryError("CONFIG_INVALID", { problem: `FERRY_SECRET: it does not open the secret of ${name}` });
}

function keyOf(ports: Ports): Promise<Uint8Array> {
  return ports.keyed.mac("seal webhooks");
}

function purposeOf(name: string): string {
  return `webhook ${name}`;
}
