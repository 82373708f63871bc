/** One import, from the list of its files to the commit: for a person's command, and for a job that the deployment keeps. */
import { createHash } from "node:crypto";
import { realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { FerryClient } from "../../shared/client.ts";
import type { RevisionSummary, Source } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import type { OperationId, RefName, RepositoryName, RevisionId } from "../../shared/names.ts";
import type { PushRequest, PushResult, TransferControl } from "../../shared/transfer/contract.ts";
import type { EngineOptions } from "../node/transfer.ts";
import { bucketOrigin } from "./bucket.ts";
import { hubOrigin } from "./hub.ts";
import type { Env, Fetch, Origin, OriginFile } from "./origin.ts";
import { urlOrigin } from "./url.ts";

const TEXT_MAX = 255;

export type ImportInto = {
  repository: RepositoryName;
  branch: RefName;
  message?: string | undefined;
  create: boolean;
  include?: string[];
  exclude?: string[];
  /** Beside those that say where it is from. */
  labels?: Record<string, string>;
  source: Source;
  /** Asked right before the commit: by which operation it is made once, or the revision that it is already. */
  once: () => Promise<{ operationId: OperationId } | { revision: RevisionSummary }>;
};

/** `client`, `signal`: of questions before the transfer. `transfer` runs it, and shows what it does to whoever looks on. */
export type ImportWith = {
  client: FerryClient;
  signal: AbortSignal;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  transfer<R>(run: (control: TransferControl) => Promise<R>): Promise<R>;
  options: EngineOptions;
  /** Where files are kept on their way, what they may take there together, and how many requests the source gets at once. */
  spool: { folder: string; bytesMax: number; connections: number };
};

/** `known`: the head of the branch is an import of the same state of the same source, and nothing was done. */
export type Imported = { known: RevisionId } | { result: PushResult };

/** Null when the text names none: it may be a folder. Throws SOURCE_UNAVAILABLE. */
export async function originOf(
  text: string,
  {
    env,
    fetch,
    nowMs,
    signal,
    virtualHosted,
  }: { env: Env; fetch: Fetch; nowMs: () => number; signal: AbortSignal; virtualHosted: boolean },
): Promise<Origin | null> {
  const hub = await hubOrigin(text, { env, fetch, signal });
  return hub ?? bucketOrigin(text, { env, fetch, nowMs, virtualHosted }) ?? urlOrigin(text, fetch);
}

export async function importFolder(folder: string, into: ImportInto, { transfer, options }: ImportWith): Promise<Imported> {
  const { pushFiles } = await import("../node/transfer.ts");
  const request = requestOf(into, { name: folder, state: null, sources: [realpathSync(folder)] });
  const result = await transfer((control) => pushFiles(request, control, { ...options, useStatCache: true }));
  return { result };
}

export async function importOrigin(origin: Origin, into: ImportInto, given: ImportWith): Promise<Imported> {
  const { pushFrom } = await import("../node/transfer.ts");
  const { Spool } = await import("./spool.ts");
  const { ImportSource } = await import("./source.ts");
  const { client, signal, sleep, transfer, options, spool: place } = given;
  const known = await headOf(client, into, origin.name, origin.revision);
  if (known !== null) return { known };
  const files = await origin.list(signal);
  const isWhole = into.include === undefined && into.exclude === undefined;
  const state = origin.revision ?? (isWhole ? stateOf(files) : null);
  const same = origin.revision === null ? await headOf(client, into, origin.name, state) : null;
  if (same !== null) return { known: same };
  const name = createHash("sha256")
    .update(`${origin.name}@${origin.revision ?? ""}`)
    .digest("hex");
  const folder = join(place.folder, name.slice(0, 16));
  const spool = new Spool({ origin, folder, bytesMax: place.bytesMax, connections: place.connections, sleep });
  const { include, exclude } = into;
  const filters = { ...(include === undefined ? {} : { include }), ...(exclude === undefined ? {} : { exclude }) };
  const request = requestOf(into, { name: origin.name, state, sources: [] });
  const result = await transfer((control) =>
    pushFrom((disk) => new ImportSource(disk, spool, { name: origin.name, files, ...filters }), request, control, options),
  );
  rmSync(folder, { recursive: true, force: true });
  return { result };
}

/** What a source without revisions has now, as it tells of each file; null when it does not tell enough. */
function stateOf(files: readonly OriginFile[]): string | null {
  if (files.some(({ etag }) => etag === null)) return null;
  const told = files.map(({ path, sizeBytes, etag }) => [path, sizeBytes, etag]).sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(told)).digest("hex").slice(0, 40);
}

/** The revision at the branch's head, when it is an import of the same state of the same source. */
async function headOf(
  client: FerryClient,
  { repository, branch }: Pick<ImportInto, "repository" | "branch">,
  name: string,
  state: string | null,
): Promise<RevisionId | null> {
  if (state === null) return null;
  const head = await client.call("resolve", { repository, params: { ref: branch } }).catch((error: unknown) => {
    const isNew = error instanceof FerryError && (error.code === "REPOSITORY_UNKNOWN" || error.code === "REF_UNKNOWN");
    if (isNew) return null;
    throw error;
  });
  const labels = head?.labels ?? {};
  return labels["import/source"] === name.slice(0, TEXT_MAX) && labels["import/revision"] === state ? (head?.revision ?? null) : null;
}

type From = { name: string; state: string | null; sources: string[] };

function requestOf({ labels, message, ...into }: ImportInto, { name, state, sources }: From): PushRequest {
  const about = { "import/source": name.slice(0, TEXT_MAX), ...(state === null ? {} : { "import/revision": state }) };
  return {
    ...into,
    sources,
    message: message ?? `Import of ${name}${state === null ? "" : `@${state}`}`,
    labels: { ...labels, ...about },
  };
}
