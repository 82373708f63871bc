/** The deployment's settings: vars and secrets, parsed once. A bad one is named; its value is never told. */
import * as z from "zod";
import { fromBase64Url } from "../shared/digest.ts";
import { FerryError } from "../shared/errors.ts";
import { StoreId } from "../shared/names.ts";
import { Network } from "../shared/networks.ts";
import { isToken } from "../shared/token.ts";
import { Margins } from "./registry/collect/margins.ts";
import { Limits } from "./registry/limits.ts";
import { LoginProvider } from "./registry/login-provider.ts";
import { type Trust, Trusts } from "./registry/trusts.ts";
import { type S3Profile, S3Profiles, type StoreCredentials } from "./storage/profile.ts";

const SECRET_BYTES_MIN = 32;

const Settings = z.object({
  STORES: z.string(),
  HOME_STORE: StoreId.optional(),
  /** "1": the home store is a replica of another deployment's; nothing is written before it is promoted. */
  FOLLOWER: z.enum(["0", "1"]).default("0"),
  FERRY_SECRET: z.string().refine((text) => secretBytes(text) !== null, `at least ${SECRET_BYTES_MIN} bytes as base64url`),
  BOOTSTRAP_TOKEN: z.string().refine(isToken, "a token: make one with `npm run token`"),
  UPSTASH_REDIS_REST_URL: z.url().optional(),
  UPSTASH_REDIS_REST_TOKEN: z.string().min(1).optional(),
  REDIS_URL: z.string().min(1).optional(),
  GENERATION: z
    .string()
    .regex(/^[a-z0-9]{1,16}$/)
    .default("1"),
  /** JSON; margins of collection other than the usual. */
  COLLECT_MARGINS: z.string().default("{}"),
  /** JSON; limits other than the usual. */
  LIMITS: z.string().default("{}"),
  /** JSON; issuers whose identity tokens are exchanged for short tokens. */
  IDENTITY_ISSUERS: z.string().default("[]"),
  /** JSON; the identity provider that people log in with. */
  LOGIN: z.string().default("null"),
  LOGIN_CLIENT_SECRET: z.string().min(1).optional(),
  /** Names or addresses, parted by commas, that webhooks may be sent to although they are private; also without TLS. */
  WEBHOOK_PRIVATE_HOSTS: z.string().default(""),
  /** Who reads /metrics; without it only tokens that may administer the deployment do. */
  FERRY_METRICS_TOKEN: z.string().min(16).optional(),
  /** On Node: networks of proxies, parted by commas, whose X-Forwarded-For is believed. */
  TRUSTED_PROXIES: z.string().default(""),
});

export type StoreConfig = { profile: S3Profile; credentials: StoreCredentials };

export type Config = {
  margins: Margins;
  limits: Limits;
  proxies: string[];
  privateHosts: string[];
  metricsToken: string | null;
  trusts: Trust[];
  login: { provider: LoginProvider; clientSecret: string | null } | null;
  stores: StoreConfig[];
  homeStore: StoreId;
  follower: boolean;
  secret: Uint8Array;
  bootstrapToken: string;
  redis: { kind: "rest"; url: string; token: string } | { kind: "tcp"; url: string };
  generation: string;
};

/** Throws CONFIG_INVALID naming every setting that is wrong. */
export function parseConfig(env: unknown): Config {
  const settings = Settings.safeParse(env);
  if (!settings.success) throw invalid(settings.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`));
  const values = settings.data;
  const stores = parseStores(values.STORES, env as Record<string, unknown>);
  const homeStore = values.HOME_STORE ?? stores[0]?.profile.id;
  const home = stores.find((store) => store.profile.id === homeStore);
  if (home === undefined || homeStore === undefined) throw invalid([`HOME_STORE: STORES has no ${homeStore}`]);
  return {
    stores,
    homeStore,
    follower: values.FOLLOWER === "1",
    secret: secretBytes(values.FERRY_SECRET) ?? new Uint8Array(),
    bootstrapToken: values.BOOTSTRAP_TOKEN,
    redis: redisOf(values),
    generation: values.GENERATION,
    margins: parseJsonSetting("COLLECT_MARGINS", Margins, values.COLLECT_MARGINS),
    proxies: parseProxies(values.TRUSTED_PROXIES),
    metricsToken: values.FERRY_METRICS_TOKEN ?? null,
    privateHosts: partsOf(values.WEBHOOK_PRIVATE_HOSTS).map((host) => host.toLowerCase()),
    trusts: parseJsonSetting("IDENTITY_ISSUERS", Trusts, values.IDENTITY_ISSUERS),
    login: parseLogin(values),
    limits: parseJsonSetting("LIMITS", Limits, values.LIMITS),
  };
}

function parseLogin({ LOGIN, LOGIN_CLIENT_SECRET }: z.infer<typeof Settings>): Config["login"] {
  const provider = parseJsonSetting("LOGIN", LoginProvider.nullable(), LOGIN);
  return provider === null ? null : { provider, clientSecret: LOGIN_CLIENT_SECRET ?? null };
}

function parseStores(text: string, env: Record<string, unknown>): StoreConfig[] {
  const parsed = S3Profiles.safeParse(parseJson(text));
  if (!parsed.success) throw invalid([`STORES: ${z.prettifyError(parsed.error)}`]);
  return parsed.data.map((profile) => ({ profile, credentials: credentialsOf(profile.id, env) }));
}

function parseJsonSetting<S extends z.ZodType>(name: string, schema: S, text: string): z.output<S> {
  const parsed = schema.safeParse(parseJson(text));
  if (!parsed.success) throw invalid([`${name}: ${z.prettifyError(parsed.error)}`]);
  return parsed.data;
}

function partsOf(text: string): string[] {
  return text.split(",").flatMap((part) => (part.trim() === "" ? [] : [part.trim()]));
}

function parseProxies(text: string): string[] {
  const networks = partsOf(text);
  const wrong = networks.find((network) => !Network.safeParse(network).success);
  if (wrong !== undefined) throw invalid([`TRUSTED_PROXIES: networks such as 10.0.0.0/8, parted by commas`]);
  return networks;
}

function credentialsOf(id: StoreId, env: Record<string, unknown>): StoreConfig["credentials"] {
  const name = `STORE_${id.toUpperCase().replaceAll("-", "_")}`;
  const accessKeyId = env[`${name}_ACCESS_KEY_ID`];
  const secretAccessKey = env[`${name}_SECRET_ACCESS_KEY`];
  const sessionToken = env[`${name}_SESSION_TOKEN`];
  const missing = [!accessKeyId && `${name}_ACCESS_KEY_ID: missing`, !secretAccessKey && `${name}_SECRET_ACCESS_KEY: missing`].filter(
    (text) => text !== false,
  );
  if (missing.length > 0) throw invalid(missing);
  return {
    accessKeyId: String(accessKeyId),
    secretAccessKey: String(secretAccessKey),
    ...(sessionToken ? { sessionToken: String(sessionToken) } : {}),
  };
}

function redisOf(values: z.infer<typeof Settings>): Config["redis"] {
  const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token, REDIS_URL: tcp } = values;
  if (tcp !== undefined) return { kind: "tcp", url: tcp };
  if (url === undefined || token === undefined)
    throw invalid(["UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN (or REDIS_URL on Node): missing"]);
  return { kind: "rest", url, token };
}

function secretBytes(text: string): Uint8Array | null {
  // No bytes have a text whose length leaves 1 when parted by 4.
  if (!/^[A-Za-z0-9_-]+$/.test(text) || text.length % 4 === 1) return null;
  const bytes = fromBase64Url(text);
  return bytes.length >= SECRET_BYTES_MIN ? bytes : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function invalid(problems: string[]): FerryError {
  return new FerryError("CONFIG_INVALID", { problem: problems.join("; ") });
}
