/** Every store: what is proven about it, and whether this machine reaches it, by signed requests where there is something to read. */
import { createHash, randomBytes } from "node:crypto";
import type { FerryClient } from "../../shared/client.ts";
import { DEFAULT_BRANCH } from "../../shared/contract/repositories.ts";
import type { StoreSummary } from "../../shared/contract/stores.ts";
import { Digest } from "../../shared/digest.ts";
import { FerryError, problemOf } from "../../shared/errors.ts";
import { RefName, type RepositoryName, type StoreId } from "../../shared/names.ts";
import { downloadUrl, ticketRequest } from "../../shared/tickets.ts";
import type { Cli } from "./cli.ts";
import { type Finding, failedBy } from "./finding.ts";
import type { Host } from "./host.ts";
import { newOperationId } from "./operation.ts";
import { durationText, plain } from "./text.ts";
import type { Target } from "./values.ts";

const TIMEOUT_MS = 10_000;
const SKEW_SECONDS_MAX = 60;
/** Repositories that are looked into for a chunk to read. */
const REPOSITORIES_TRIED = 5;
const WRITE_BYTES = 32;

type Wish = { target: Target | undefined; write: boolean };
type Sample = { repository: RepositoryName; ref: string; chunk: Digest };

export async function* examineStores(cli: Cli, client: FerryClient, { target, write }: Wish): AsyncGenerator<Finding> {
  let stores: StoreSummary[];
  let sample: Sample | null;
  try {
    ({ stores } = await client.call("listStores", {}));
    sample = target === undefined ? await anySample(client) : await sampleOf(client, target);
  } catch (error) {
    yield failedBy("stores", error);
    return;
  }
  for (const store of stores) {
    yield proofFinding(store);
    yield await reachFinding(cli.host, client, store, sample);
  }
  if (write) yield await writeFinding(cli.host, client, target);
}

function proofFinding({ id, home, probe }: StoreSummary): Finding {
  const check = `store ${id}`;
  const state = home ? "fail" : "warn";
  const next = `Run \`ferry store probe ${id}\` as an administrator.`;
  const name = home ? "home, " : "";
  if (probe === null) return { check, state, detail: `${name}not probed yet: nothing may be uploaded to it`, next, exit: "unavailable" };
  if (probe.modes.length === 0)
    return { check, state, detail: `${name}refuses no wrong bytes: no uploads to it`, next, exit: "unavailable" };
  if (home && !probe.createOnly) {
    return { check, state, detail: "home, but does not honour create-only writes", next: "Make another store home.", exit: "unavailable" };
  }
  const detail = `${name}refuses wrong bytes (${probe.modes.join(", ")})`;
  if (Math.abs(probe.clockSkewSeconds) <= SKEW_SECONDS_MAX) return { check, state: "ok", detail };
  return { check, state: "warn", detail: `${detail}; its clock is ${probe.clockSkewSeconds} s off`, next: "Set the store's clock." };
}

/** The first chunk of any revision that the token may pull; null when there is none yet. */
async function anySample(client: FerryClient): Promise<Sample | null> {
  const { repositories } = await client.call("listRepositories", { query: { limit: `${REPOSITORIES_TRIED}` } });
  for (const { repository } of repositories) {
    const sample = await sampleOf(client, { repository, ref: null }).catch((error: unknown) => {
      if (error instanceof FerryError && !error.retryable) return null;
      throw error;
    });
    if (sample !== null) return sample;
  }
  return null;
}

async function sampleOf(client: FerryClient, { repository, ref }: Target): Promise<Sample | null> {
  const { revision, manifest } = await client.call("manifest", { repository, params: { ref: ref ?? DEFAULT_BRANCH } });
  for (const file of manifest.files) {
    if (file.mode === "link") continue;
    if (file.chunk !== undefined) return { repository, ref: revision.revision, chunk: file.chunk };
    if (file.recipe === undefined) continue;
    const body = { recipes: [file.recipe] };
    const { recipes } = await client.call("readRecipes", { repository, params: { ref: revision.revision }, body });
    const chunk = recipes[0]?.chunks[0]?.[0];
    if (chunk !== undefined) return { repository, ref: revision.revision, chunk };
  }
  return null;
}

async function reachFinding(host: Host, client: FerryClient, store: StoreSummary, sample: Sample | null): Promise<Finding> {
  const check = `reach ${store.id}`;
  const next = `Open the way from this machine to ${plain(store.endpoint)}, or work from where it is open.`;
  const startedMs = host.now();
  try {
    const url = sample === null ? null : await signedUrl(client, store.id, sample);
    const answer = await request(host, url ?? store.endpoint, { headers: url === null ? {} : { range: "bytes=0-0" } });
    const took = durationText((host.now() - startedMs) / 1000);
    if (url === null) return { check, state: "ok", detail: `answers in ${took}; nothing is stored there to read by a signed request` };
    if (answer.ok) return { check, state: "ok", detail: `a signed read worked in ${took}` };
    return {
      check,
      state: "fail",
      detail: `a signed read was refused with ${answer.status}`,
      next: "Compare the clocks, then probe the store.",
      exit: "unavailable",
    };
  } catch (error) {
    if (error instanceof FerryError) return failedBy(check, error);
    return { check, state: "fail", detail: `can't be reached: ${reason(error)}`, next, exit: "unavailable" };
  }
}

/** Null when the store does not hold the sample. */
async function signedUrl(client: FerryClient, store: StoreId, { repository, ref, chunk }: Sample): Promise<string | null> {
  try {
    const batch = await client.call("download", { repository, params: { ref }, body: { chunks: [chunk], store } });
    const [item] = batch.items;
    return item === undefined ? null : downloadUrl(batch, item);
  } catch (error) {
    if (error instanceof FerryError && (!error.retryable || error.code === "REPLICA_NOT_READY")) return null;
    throw error;
  }
}

/** Reserves one random chunk and sends it. Without a commit it belongs to no revision, and is collected later. */
async function writeFinding(host: Host, client: FerryClient, target: Target | undefined): Promise<Finding> {
  const check = "write";
  if (target === undefined)
    return { check, state: "warn", detail: "not tried: name a repository", next: "Run `ferry doctor namespace/name --write`." };
  try {
    const { repository } = target;
    const branch = RefName.parse("ferry-doctor");
    const upload = await client.call("openUpload", { repository, body: { branch, operationId: newOperationId() } });
    const bytes = randomBytes(WRITE_BYTES);
    const sha256 = Digest.parse(createHash("sha256").update(bytes).digest("hex"));
    const md5 = upload.mode === "md5" ? { md5: createHash("md5").update(bytes).digest("base64") } : {};
    const body = { attempt: 1, chunks: [{ sha256, size: WRITE_BYTES, ...md5 }] };
    const { tickets } = await client.call("reserve", { repository, params: { upload: upload.upload }, body });
    const [item] = tickets?.items ?? [];
    if (tickets === null || item === undefined) return { check, state: "warn", detail: "the deployment gave no ticket" };
    const { url, method, headers } = ticketRequest(tickets, item);
    const answer = await request(host, url, { method, headers, body: bytes });
    if (answer.ok) return { check, state: "ok", detail: `sent ${WRITE_BYTES} bytes by a ${tickets.mode} ticket` };
    return {
      check,
      state: "fail",
      detail: `the store refused a ticket with ${answer.status}`,
      next: "Compare the clocks, then probe the store.",
      exit: "unavailable",
    };
  } catch (error) {
    if (error instanceof FerryError) return failedBy(check, error);
    return {
      check,
      state: "fail",
      detail: `the store can't be reached: ${reason(error)}`,
      next: "See the lines above.",
      exit: "unavailable",
    };
  }
}

async function request(host: Host, url: string, init: RequestInit): Promise<{ ok: boolean; status: number }> {
  const signal = AbortSignal.any([host.signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const response = await host.fetch(url, { ...init, redirect: "manual", signal });
  await response.body?.cancel();
  return { ok: response.ok, status: response.status };
}

/** Only a code or a name: what fetch says may hold the URL, which is signed. */
function reason(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (cause instanceof Error && "code" in cause) return String(cause.code);
  return cause instanceof Error ? cause.name : problemOf(cause);
}
