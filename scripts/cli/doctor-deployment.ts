/** The deployment: does it answer, over a good connection, with the right time, and does it know the token. */
import type { FerryClient } from "../../shared/client.ts";
import type { WhoAmI } from "../../shared/contract/access.ts";
import { FerryError } from "../../shared/errors.ts";
import type { Cli } from "./cli.ts";
import { clientFor } from "./client.ts";
import { isLoopback, type Settings } from "./config.ts";
import { type Finding, failedBy } from "./finding.ts";
import { durationText, plain, timeText } from "./text.ts";
import { scopeText } from "./values.ts";
import { VERSION } from "./version.ts";

const TIMEOUT_MS = 10_000;
const SKEW_SECONDS_MAX = 60;
const DAY_MS = 86_400_000;
const CERTIFICATE_DAYS_MIN = 14;
const TOKEN_DAYS_MIN = 7;
/** Tokens are in the log. */
const BY_BOOTSTRAP = "Look again with the deployment's BOOTSTRAP_TOKEN, which needs no log; keep the bucket as it is.";

/** `client` is null when there is no use in asking further. */
export async function examineDeployment(cli: Cli): Promise<{ client: FerryClient | null; findings: Finding[] }> {
  const settings = await cli.settings();
  const client = clientFor(cli.host, settings, { attempts: 1, timeoutMs: TIMEOUT_MS });
  const sentMs = cli.host.now();
  try {
    const about = await client.call("about", {});
    const tookMs = cli.host.now() - sentMs;
    const findings = [
      endpointFinding(settings, about.version, tookMs),
      versionFinding(about.version),
      await transportFinding(cli, settings.endpoint),
      clockFinding(Date.parse(about.time), sentMs + tookMs / 2),
    ];
    const token = await tokenFinding(cli, client, settings);
    return { client: token.state === "fail" ? null : client, findings: [...findings, token] };
  } catch (error) {
    return { client: null, findings: [unreachable(error)] };
  }
}

function endpointFinding({ endpoint, endpointFrom }: Settings, version: string, tookMs: number): Finding {
  const detail = `${endpoint} (from ${endpointFrom}) runs modelferry ${version}, answered in ${durationText(tookMs / 1000)}`;
  return { check: "endpoint", state: "ok", detail };
}

/** Until 1.0 the middle number is the one that says what does not fit. */
function versionFinding(there: string): Finding {
  const fits = (version: string) => version.split(".").slice(0, 2).join(".");
  if (fits(there) === fits(VERSION)) return { check: "version", state: "ok", detail: `${there} there, ${VERSION} here` };
  const detail = `the deployment runs ${there}, this is ferry ${VERSION}: an answer may have a form that it does not know`;
  return { check: "version", state: "warn", detail, next: "Install the ferry of the deployment's version." };
}

function unreachable(error: unknown): Finding {
  const finding = failedBy("endpoint", error);
  const problem = error instanceof FerryError ? String(error.details["problem"]) : "";
  if (!/CERT|SELF_SIGNED|VERIFY|TLS|SSL/.test(problem)) return finding;
  return {
    ...finding,
    next: "Its certificate is not trusted here: set NODE_EXTRA_CA_CERTS to your authority's file, or correct the server.",
  };
}

async function transportFinding({ host }: Cli, endpoint: string): Promise<Finding> {
  const { protocol, hostname, port } = new URL(endpoint);
  if (protocol === "http:" && isLoopback(hostname)) return { check: "tls", state: "ok", detail: "plain http, within this machine" };
  if (protocol === "http:") return { check: "tls", state: "warn", detail: "plain http: the token can be read on the way" };
  try {
    const { protocol: version, validUntilMs } = await host.certificate(hostname, port === "" ? 443 : Number(port), TIMEOUT_MS);
    const daysLeft = Math.floor((validUntilMs - host.now()) / DAY_MS);
    const detail = `${version}, the certificate is valid for ${daysLeft} more days`;
    if (daysLeft >= CERTIFICATE_DAYS_MIN) return { check: "tls", state: "ok", detail };
    return { check: "tls", state: "warn", detail, next: "Renew the certificate." };
  } catch (error) {
    return failedBy("tls", error);
  }
}

/** @param hereMs the middle of the request, by this machine's clock. */
function clockFinding(thereMs: number, hereMs: number): Finding {
  const skewSeconds = (hereMs - thereMs) / 1000;
  const size = durationText(Math.abs(skewSeconds));
  const detail =
    Math.abs(skewSeconds) < 2 ? "agrees with the deployment's" : `is ${size} ${skewSeconds > 0 ? "ahead of" : "behind"} the deployment's`;
  if (Math.abs(skewSeconds) <= SKEW_SECONDS_MAX) return { check: "clock", state: "ok", detail };
  return { check: "clock", state: "warn", detail, next: "Set this machine's clock, for example by NTP." };
}

async function tokenFinding({ host }: Cli, client: FerryClient, { token, tokenFrom }: Settings): Promise<Finding> {
  if (token === undefined) return failedBy("token", new FerryError("TOKEN_MISSING"));
  try {
    return knownToken(await client.call("whoAmI", {}), tokenFrom, host.now());
  } catch (error) {
    if (error instanceof FerryError && error.code === "LOG_DAMAGED") return { ...failedBy("token", error), next: BY_BOOTSTRAP };
    return failedBy("token", error);
  }
}

function knownToken({ name, scopes, expiresAt }: WhoAmI, from: Settings["tokenFrom"], nowMs: number): Finding {
  const until = expiresAt === null ? "never expires" : `valid until ${timeText(expiresAt)}`;
  const detail = `${plain(name)} (from ${from}), ${until}, ${scopes.map(scopeText).join(" ")}`;
  const daysLeft = expiresAt === null ? Number.POSITIVE_INFINITY : (Date.parse(expiresAt) - nowMs) / DAY_MS;
  if (daysLeft >= TOKEN_DAYS_MIN) return { check: "token", state: "ok", detail };
  return { check: "token", state: "warn", detail, next: "Ask for a new one in time; `ferry token create` makes it." };
}
