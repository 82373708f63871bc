/** Settings of one store, as they stand in the list of the deployment's `STORES`, and the place on the wire that they name. */
import * as z from "zod";
import { StoreId } from "../../shared/names.ts";
import { DIALECTS, type Dialect, type Provider } from "./dialects.ts";
import { encodeKey } from "./uri.ts";

const Endpoint = z
  .string()
  .refine(isEndpoint, "http(s)://host[:port][/path], with no query and no user")
  .transform((text) => text.replace(/\/+$/, ""));

function isEndpoint(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, search, hash, username, password } = new URL(text);
  return (protocol === "https:" || protocol === "http:") && search + hash + username + password === "";
}

const Prefix = z
  .string()
  .regex(
    /^(?:[A-Za-z0-9_-][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*\/?)?(?![\s\S])/,
    "segments of letters, digits, '.', '_' and '-'",
  )
  .transform((text) => (text === "" || text.endsWith("/") ? text : `${text}/`));

const HeaderName = z.string().regex(/^[a-z0-9-]+(?![\s\S])/, "a header name in lower case");

/** The store's credentials: a secret, kept apart from its profile. */
export const StoreCredentials = z.strictObject({
  accessKeyId: z.string().min(1),
  secretAccessKey: z.string().min(1),
  sessionToken: z.string().min(1).optional(),
});
export type StoreCredentials = z.infer<typeof StoreCredentials>;

const NearLabel = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?(?![\s\S])/, "lower-case letters, digits and '-'");
const HeaderNames = z.array(HeaderName).max(8);

/**
 * `publicEndpoint`: the host that tickets and downloads are signed for, when clients reach the store by another name than we do.
 * `near`: names of networks that the store is close to; clients that say one of them read from it. `reach`: "agent" for a store that only
 * agents can move chunks to and from. `createOnly`, `absent`: override the provider's (dialects.ts), for an implementation that this version does not know.
 */
export const S3Profile = z
  .strictObject({
    id: StoreId,
    provider: z.enum(Object.keys(DIALECTS) as [Provider, ...Provider[]]).default("s3"),
    endpoint: Endpoint,
    publicEndpoint: Endpoint.optional(),
    region: z.string().regex(/^[A-Za-z0-9-]+(?![\s\S])/, "letters, digits and '-'"),
    bucket: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{1,62}(?![\s\S])/, "3 to 63 letters, digits, '.', '_' and '-'"),
    prefix: Prefix.default(""),
    addressing: z.enum(["path", "virtual"]).optional(),
    createOnly: z.strictObject({ name: HeaderName, value: z.string().min(1) }).optional(),
    absent: HeaderNames.optional(),
    near: z.array(NearLabel).max(16).optional(),
    reach: z.enum(["edge", "agent"]).optional(),
  })
  .transform((profile) => ({ ...profile, addressing: profile.addressing ?? DIALECTS[profile.provider].addressing }));
export type S3Profile = z.infer<typeof S3Profile>;

/** What `STORES` holds: at least one store, each id once. */
export const S3Profiles = z
  .array(S3Profile)
  .min(1)
  .refine((profiles) => new Set(profiles.map(({ id }) => id)).size === profiles.length, "two stores have the same id");

/** The dialect that a store speaks, with its profile's own wishes. */
export function dialectOf({ provider, addressing, createOnly, absent }: S3Profile): Dialect {
  const dialect = DIALECTS[provider];
  return { ...dialect, addressing, createOnly: createOnly ?? dialect.createOnly, absent: absent ?? dialect.absent };
}

/** Where objects are: `origin + path` begins the URL of each. `path` is encoded, begins and ends with "/". */
export type Place = { readonly origin: string; readonly host: string; readonly path: string };

/** The place of a store's prefix as clients reach it. */
export function publicPlace(profile: S3Profile): Place {
  return placeAt(profile.publicEndpoint ?? profile.endpoint, profile);
}

/** The place of a store's prefix as we reach it. */
export function ownPlace(profile: S3Profile): Place {
  return placeAt(profile.endpoint, profile);
}

/** A place further down: `folder` is a key that ends with "/". */
export function below(place: Place, folder: string): Place {
  return { ...place, path: place.path + encodeKey(folder) };
}

function placeAt(endpoint: string, { bucket, prefix, addressing }: S3Profile): Place {
  const { protocol, host, pathname } = new URL(endpoint);
  const root = pathname === "/" ? "/" : `${pathname}/`;
  if (addressing === "virtual") return place(protocol, `${bucket}.${host}`, root + encodeKey(prefix));
  return place(protocol, host, `${root + encodeKey(bucket)}/${encodeKey(prefix)}`);
}

function place(protocol: string, host: string, path: string): Place {
  return { origin: `${protocol}//${host}`, host, path };
}
