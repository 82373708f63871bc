/** Senders whose webhooks are taken, and what their messages do. */
import { type HookSource, SOURCES_MAX, type SourceMade, type SourceRequest, type StoredSource } from "../../../shared/contract/hooks.ts";
import { ImportFrom } from "../../../shared/contract/imports.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { OperationId } from "../../../shared/names.ts";
import { secretBytes } from "../../../shared/webhook.ts";
import type { Caller, Ports } from "../ports.ts";
import { changeHooks, hooksOf, makeSecret, openSecret, sealSecret } from "./store.ts";

export async function listSources(ports: Ports): Promise<HookSource[]> {
  return (await hooksOf(ports)).sources.map(sourceOf);
}

/** Creates it, or replaces the one of its name; without a secret in the request that one's stays, when there is one. */
export async function setSource(ports: Ports, caller: Caller, request: SourceRequest): Promise<SourceMade> {
  const { operationId, secret: given, ...told } = request;
  if (given !== undefined && told.kind === "standard" && secretBytes(given) === null)
    throw new FerryError("REQUEST_INVALID", { problem: "secret: whsec_ and the base64 of 24 to 64 bytes" });
  for (const { action } of told.rules) {
    if (action.kind === "import" && !ImportFrom.safeParse(action.from).success)
      throw new FerryError("REQUEST_INVALID", { problem: `rules: ${action.from} is no source that can be imported` });
  }
  const sealed = await sealSecret(ports, sealName(told.name), given ?? makeSecret(ports));
  const { sources } = await changeHooks(ports, { name: caller.name, operationId }, (all, at) => {
    const known = all.sources.find(({ name }) => name === told.name);
    const others = all.sources.filter((other) => other !== known);
    if (others.length >= SOURCES_MAX) throw new FerryError("REQUEST_INVALID", { problem: `there are ${SOURCES_MAX} sources` });
    const secret = given === undefined ? (known?.secret ?? sealed) : sealed;
    return {
      ...all,
      sources: [...others, { ...told, secret, createdAt: known?.createdAt ?? at, createdBy: known?.createdBy ?? caller.name }],
    };
  });
  const source = namedSource(sources, told.name);
  return { source: sourceOf(source), secret: await secretOfSource(ports, source) };
}

/** Throws HOOK_SOURCE_UNKNOWN. */
export async function removeSource(ports: Ports, caller: Caller, name: string, operationId: OperationId): Promise<void> {
  await changeHooks(ports, { name: caller.name, operationId }, (all) => {
    const gone = namedSource(all.sources, name);
    return { ...all, sources: all.sources.filter((other) => other !== gone) };
  });
}

export function namedSource(sources: readonly StoredSource[], name: string): StoredSource {
  const source = sources.find((other) => other.name === name);
  if (source === undefined) throw new FerryError("HOOK_SOURCE_UNKNOWN", { source: name });
  return source;
}

export function secretOfSource(ports: Ports, { name, secret }: StoredSource): Promise<string> {
  return openSecret(ports, sealName(name), secret);
}

function sealName(name: string): string {
  return `source ${name}`;
}

function sourceOf({ secret: _, ...source }: StoredSource): HookSource {
  return source;
}
