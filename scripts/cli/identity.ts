/**
 * Identity tokens of this machine, and short tokens of a deployment for them. A token is looked for where FERRY_OIDC_TOKEN_FILE says, where
 * Kubernetes projects one for modelferry, and at GitHub Actions. The token of a pod's service account itself is never used: it is good for
 * the cluster's own API, and nobody else may see it.
 */
import { readFile } from "node:fs/promises";
import * as z from "zod";
import type { IdentityGrant } from "../../shared/contract/identity.ts";
import { FerryError, problemOf } from "../../shared/errors.ts";
import { epochMs } from "../../shared/time.ts";
import { clientFor } from "./client.ts";
import { isMissing, readConfig, type SavedIdentity, writeConfig } from "./config.ts";
import type { Host } from "./host.ts";

/** Short tokens that end sooner are renewed before they are used. */
const RENEWED_BEFORE_MS = 60_000;

/** A short token for whoever runs here. @param audience that the identity token must be made for; null: the endpoint */
export async function exchangeIdentity(host: Host, endpoint: string, audience: string | null): Promise<IdentityGrant> {
  const token = await findIdentityToken(host, audience ?? endpoint);
  const body = audience === null ? { token } : { token, audience };
  return clientFor(host, { endpoint, token: undefined }, { attempts: 3 }).call("exchangeIdentity", { body });
}

/** The saved login's token, or a new one in its place. */
export async function renewedToken(host: Host, endpoint: string, identity: SavedIdentity): Promise<string> {
  const granted = await exchangeIdentity(host, endpoint, identity.audience);
  const config = await readConfig(host);
  const saved = config.logins[endpoint];
  const login = { ...saved, token: granted.token, identity: { ...identity, expiresAt: granted.expiresAt } };
  await writeConfig(host, { ...config, logins: { ...config.logins, [endpoint]: login } });
  return granted.token;
}

export function isOver({ expiresAt }: SavedIdentity, nowMs: number): boolean {
  return epochMs(expiresAt) - nowMs < RENEWED_BEFORE_MS;
}

async function findIdentityToken(host: Host, audience: string): Promise<string> {
  const file = host.env["FERRY_OIDC_TOKEN_FILE"] ?? "";
  if (file !== "") return readToken(file);
  const projected = await readToken(host.projectedTokenPath).catch((error: unknown) => {
    if (error instanceof FerryError && isMissing(error.cause)) return null;
    throw error;
  });
  if (projected !== null) return projected;
  const [url = "", bearer = ""] = [host.env["ACTIONS_ID_TOKEN_REQUEST_URL"], host.env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]];
  if (url !== "" && bearer !== "") return askGitHub(host, { url, bearer, audience });
  throw new FerryError("USAGE_INVALID", {
    problem: `no identity token here: set FERRY_OIDC_TOKEN_FILE, project one to ${host.projectedTokenPath}, or give the GitHub job id-token: write`,
  });
}

async function readToken(path: string): Promise<string> {
  let text: string;
  try {
    text = (await readFile(path, "utf8")).trim();
  } catch (cause) {
    throw new FerryError("FILE_UNREADABLE", { path, problem: problemOf(cause) }, { cause });
  }
  if (/^[\w.-]+$/.test(text)) return text;
  throw new FerryError("FILE_UNREADABLE", { path, problem: "it holds no identity token" });
}

const GitHubAnswer = z.object({ value: z.string().min(1) });

/** @param request.bearer is good for this one address, which GitHub gave to the job */
async function askGitHub(host: Host, request: { url: string; bearer: string; audience: string }): Promise<string> {
  const problem = (text: string, cause?: unknown) =>
    new FerryError("ENDPOINT_UNREACHABLE", { endpoint: "GitHub's identity service", problem: text }, { cause });
  if (!URL.canParse(request.url)) throw problem("ACTIONS_ID_TOKEN_REQUEST_URL is no address");
  const url = new URL(request.url);
  url.searchParams.set("audience", request.audience);
  const init = { headers: { authorization: `Bearer ${request.bearer}`, accept: "application/json" }, signal: host.signal };
  const response = await host.fetch(url.href, init).catch((cause: unknown) => {
    throw problem("no answer", cause);
  });
  const answer = GitHubAnswer.safeParse(await response.json().catch(() => null));
  if (!response.ok || !answer.success) throw problem(`status ${response.status}`);
  return answer.data.value;
}
