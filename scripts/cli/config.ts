/**
 * Where the deployment is and who asks: `--endpoint`, then FERRY_ENDPOINT, then the file that `ferry login` writes; FERRY_TOKEN, then the
 * file. A saved token is sent only to the endpoint that it was saved for, whatever the environment says.
 */
import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as z from "zod";
import { FerryError, problemOf } from "../../shared/errors.ts";
import type { Host } from "./host.ts";

/** Of a login whose token was exchanged for an identity token, and can be again. `audience` null: the endpoint. */
const SavedIdentity = z.object({ audience: z.string().nullable(), expiresAt: z.string() });
export type SavedIdentity = z.infer<typeof SavedIdentity>;

const Login = z.object({ token: z.string().min(1), plainHttp: z.boolean().optional(), identity: SavedIdentity.optional() });
const Config = z.object({ v: z.literal(1), endpoint: z.string().optional(), logins: z.record(z.string(), Login) });
export type Config = z.infer<typeof Config>;

export type Settings = {
  endpoint: string;
  endpointFrom: "--endpoint" | "FERRY_ENDPOINT" | "login";
  token: string | undefined;
  tokenFrom: "FERRY_TOKEN" | "login" | null;
  /** How the token is renewed, if it is one that can be. */
  identity: SavedIdentity | null;
};

export type ConnectionFlags = { endpoint?: string | undefined; plainHttp: boolean };

/** `$XDG_CONFIG_HOME/ferry/config.json`, by default `~/.config/ferry/config.json`. */
export function configPath(host: Host): string {
  const base = host.env["XDG_CONFIG_HOME"];
  return join(base?.startsWith("/") ? base : join(host.homeDirectory, ".config"), "ferry", "config.json");
}

/** What may be lost: `$FERRY_CACHE_DIR`, `$XDG_CACHE_HOME/ferry`, by default `~/.cache/ferry`. */
export function cacheDirectory(host: Host): string {
  const own = host.env["FERRY_CACHE_DIR"] ?? "";
  if (own !== "") return own;
  const base = host.env["XDG_CACHE_HOME"];
  return join(base?.startsWith("/") ? base : join(host.homeDirectory, ".cache"), "ferry");
}

/** The saved logins; none when there is no file. Throws FILE_UNREADABLE. */
export async function readConfig(host: Host): Promise<Config> {
  const path = configPath(host);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (isMissing(cause)) return { v: 1, logins: {} };
    throw new FerryError("FILE_UNREADABLE", { path, problem: problemOf(cause) }, { cause });
  }
  try {
    return Config.parse(JSON.parse(text));
  } catch (cause) {
    // Nothing of the content is shown: it holds tokens.
    throw new FerryError("FILE_UNREADABLE", { path, problem: "it is not a settings file of ferry; remove it and log in again" }, { cause });
  }
}

/** Replaces the file as a whole; only its owner may read it. */
export async function writeConfig(host: Host, config: Config): Promise<void> {
  const path = configPath(host);
  const draft = `${path}.${process.pid}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(draft, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600, flag: "w" });
    await chmod(draft, 0o600);
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true });
    throw new FerryError("FILE_UNWRITABLE", { path, problem: problemOf(cause) }, { cause });
  }
}

/** What a command talks to. Throws ENDPOINT_MISSING, ENDPOINT_INSECURE or USAGE_INVALID. */
export function settingsOf(host: Host, config: Config, flags: ConnectionFlags): Settings {
  const { text, from } = endpointText(host, config, flags);
  const endpoint = normalEndpoint(text);
  const saved = Object.hasOwn(config.logins, endpoint) ? config.logins[endpoint] : undefined;
  checkTransport(endpoint, mayBePlain(host, flags) || saved?.plainHttp === true);
  const given = host.env["FERRY_TOKEN"] || undefined;
  const token = given ?? saved?.token;
  const tokenFrom = given !== undefined ? "FERRY_TOKEN" : token !== undefined ? "login" : null;
  const identity = tokenFrom === "login" ? (saved?.identity ?? null) : null;
  return { endpoint, endpointFrom: from, token, tokenFrom, identity };
}

function endpointText(host: Host, config: Config, flags: ConnectionFlags): { text: string; from: Settings["endpointFrom"] } {
  if (flags.endpoint !== undefined) return { text: flags.endpoint, from: "--endpoint" };
  const given = host.env["FERRY_ENDPOINT"] ?? "";
  if (given !== "") return { text: given, from: "FERRY_ENDPOINT" };
  if (config.endpoint !== undefined) return { text: config.endpoint, from: "login" };
  throw new FerryError("ENDPOINT_MISSING");
}

export function mayBePlain(host: Host, flags: ConnectionFlags): boolean {
  return flags.plainHttp || isOn(host.env["FERRY_PLAIN_HTTP"]);
}

/** `1`, `on`, `yes`, `true`. */
export function isOn(value: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(value ?? "");
}

/** One spelling for each endpoint: without '/' at the end; without a scheme it is `https://`, on this machine `http://`. Throws USAGE_INVALID. */
export function normalEndpoint(text: string): string {
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? parsedUrl(text) : urlWithoutScheme(text);
  const isPlace = url !== null && /^https?:$/.test(url.protocol) && url.search === "" && url.hash === "";
  if (!isPlace) throw new FerryError("USAGE_INVALID", { problem: "the endpoint is not an address like https://ferry.example.com" });
  if (url.username !== "" || url.password !== "") {
    throw new FerryError("USAGE_INVALID", { problem: "the endpoint must not hold a name or a password; tokens come from `ferry login`" });
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

function urlWithoutScheme(text: string): URL | null {
  const url = parsedUrl(`http://${text}`);
  return url !== null && isLoopback(url.hostname) ? url : parsedUrl(`https://${text}`);
}

function parsedUrl(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null;
}

/** A token over plain http can be read on the way, so that needs a word from the user, except within this machine. */
export function checkTransport(endpoint: string, plainAllowed: boolean): void {
  const { protocol, hostname } = new URL(endpoint);
  if (protocol === "https:" || plainAllowed || isLoopback(hostname)) return;
  throw new FerryError("ENDPOINT_INSECURE", { endpoint });
}

/** @param hostname as URL has it: lower case, IPv4 in its normal form, IPv6 in brackets. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
