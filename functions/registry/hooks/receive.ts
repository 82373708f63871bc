/** A sender's message: proven, then done once, however often it comes. */
import { type HookAction, type HookReceipt, type HookRule, matchesEvent, type StoredSource } from "../../../shared/contract/hooks.ts";
import { ImportRequest } from "../../../shared/contract/imports.ts";
import { WarmupRequest } from "../../../shared/contract/warm.ts";
import { sha256 } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { matchesGlob, OperationId } from "../../../shared/names.ts";
import { tell } from "../events/feed.ts";
import type { FailureLimit } from "../failure-limit.ts";
import { startImport } from "../imports/imports.ts";
import type { Ports } from "../ports.ts";
import { runPolicy } from "../replicate/policies.ts";
import { getRepository } from "../repositories.ts";
import { startWarmup } from "../warm/warmups.ts";
import { type Heard, heardIn } from "./heard.ts";
import { type Incoming, proofOf } from "./proof.ts";
import { namedSource, secretOfSource } from "./sources.ts";
import { hooksOf } from "./store.ts";

/** While somebody is at it. */
const BUSY_SECONDS = 120;
/** Longer than a signed message may be old; others are known by their bodies, and may say the same another day. */
const DONE_SECONDS = 86_400;

type From = { source: string; address: string | null; failures: FailureLimit };

/** Throws HOOK_SOURCE_UNKNOWN, HOOK_REFUSED, HOOK_BUSY, RATE_LIMITED, and what its actions throw. @param read reads the body, once */
export async function receiveHook(ports: Ports, from: From, read: () => Promise<Incoming>): Promise<HookReceipt> {
  from.failures.refuse(from.address);
  const source = await knownSource(ports, from);
  const incoming = await read();
  const proof = await proofOf(source.kind, await secretOfSource(ports, source), incoming, ports.clock.now());
  if ("problem" in proof) {
    await from.failures.count(from.address);
    throw new FerryError("HOOK_REFUSED", { source: source.name, problem: proof.problem });
  }
  const heard = heardIn(source.kind, incoming.headers, incoming.body);
  if (heard === null) throw new FerryError("REQUEST_INVALID", { problem: "body: it is not JSON" });
  return once(ports, source, proof.id, heard);
}

async function knownSource(ports: Ports, { source, address, failures }: From): Promise<StoredSource> {
  try {
    return namedSource((await hooksOf(ports)).sources, source);
  } catch (error) {
    if (error instanceof FerryError && error.code === "HOOK_SOURCE_UNKNOWN") await failures.count(address);
    throw error;
  }
}

async function once(ports: Ports, source: StoredSource, message: string, heard: Heard): Promise<HookReceipt> {
  const id = (await sha256(`${source.name} ${message}`)).slice(0, 32);
  const event = heard.event.slice(0, 100);
  const begun = await ports.deliveries.begin(id, BUSY_SECONDS);
  if (begun === "done") return { id, state: "duplicate", event, actions: [] };
  if (begun === "busy") throw new FerryError("HOOK_BUSY", { retryAfterSeconds: 5 });
  try {
    const actions: HookReceipt["actions"] = [];
    for (const [at, rule] of source.rules.entries()) {
      if (fits(rule, heard)) actions.push(await act(ports, source, rule.action, await operationFor(id, at)));
    }
    const about = { source: source.name, event, from: heard.from.slice(0, 200), ref: heard.ref.slice(0, 200), actions: summary(actions) };
    await tell(ports, { type: "webhook.received", id: `in-${id}`, about });
    await ports.deliveries.end(id, DONE_SECONDS);
    return { id, state: "done", event, actions };
  } catch (error) {
    await ports.deliveries.end(id, 0).catch(() => undefined);
    throw error;
  }
}

function fits(rule: HookRule, heard: Heard): boolean {
  const isFrom = rule.from === "*" || matchesGlob(rule.from, heard.from);
  return matchesEvent(rule.event, heard.event) && isFrom && (rule.ref === "*" || matchesGlob(rule.ref, heard.ref));
}

/** The same for the same message, also when its memory is lost: what was done then is not done again. */
async function operationFor(id: string, at: number): Promise<OperationId> {
  return OperationId.parse((await sha256(`webhook ${id} ${at}`)).slice(0, 40));
}

async function act(
  ports: Ports,
  source: StoredSource,
  action: HookAction,
  operationId: OperationId,
): Promise<HookReceipt["actions"][number]> {
  const caller = { name: `webhook ${source.name}` };
  switch (action.kind) {
    case "replicate":
      await runPolicy(ports, caller, action.policy, operationId);
      return { kind: action.kind, target: action.policy, done: true };
    case "warm": {
      const { repository, ref, group } = action;
      await startWarmup(ports, caller, await getRepository(ports, repository), WarmupRequest.parse({ ref, group, operationId }));
      return { kind: action.kind, target: `${repository}@${ref}`, done: true };
    }
    case "import": {
      const { from, to, branch } = action;
      const request = ImportRequest.safeParse({ from, branch, operationId });
      if (!request.success) throw new FerryError("REQUEST_INVALID", { problem: `the rule's source ${from} is none that can be imported` });
      await startImport(ports, caller, await getRepository(ports, to), request.data);
      return { kind: action.kind, target: `${from} ${to}`, done: true };
    }
    default:
      return action satisfies never;
  }
}

function summary(actions: HookReceipt["actions"]): string {
  return actions
    .map(({ kind, target }) => `${kind} ${target}`)
    .join("; ")
    .slice(0, 500);
}
