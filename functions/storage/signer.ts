/**
 * Signature Version 4 for many requests at once.
 *
 * Requests are signed as families: members differ in the end of their path and in the values of some headers, and all the rest of the
 * canonical request is built once. Per member that leaves one SHA-256 and one HMAC, about 5 µs by WebCrypto in workerd; a hand-written
 * SHA-256 with cached HMAC pads took 4 µs there, which does not pay for owning such code. The SDK's presigner is the reference in the tests.
 */
import { toHex } from "../../shared/digest.ts";
import type { Clock, Digests } from "../registry/ports.ts";
import { webDigests } from "../web-digests.ts";
import type { Place, StoreCredentials } from "./profile.ts";
import { encodeQuery } from "./uri.ts";

export const UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD";
export const PAYLOAD_HEADER = "x-amz-content-sha256";
const ALGORITHM = "AWS4-HMAC-SHA256";
const SERVICE = "s3";
/** Members in flight at once: enough to keep a queue of WebCrypto filled, few enough that promises do not pile up. */
const SLICE = 100;
/** Days whose keys are kept: today's, and that of whoever signs for another moment. */
const DAYS_MAX = 8;

/**
 * `headers`: signed, equal in all members; `varying`: names of signed headers whose values each member brings; `absent`: signed as
 * empty, and never sent. Names in lower case; host is signed by itself.
 */
export type Family = {
  readonly method: string;
  readonly place: Place;
  readonly headers: Readonly<Record<string, string>>;
  readonly varying: readonly string[];
  readonly absent?: readonly string[];
};

/** `path`: encoded, below the family's place. `values`: of the varying headers, in their order, with no spaces around. */
export type Member = { readonly path: string; readonly values: readonly string[] };

export type PresignOptions = { expiresSeconds: number; query?: Readonly<Record<string, string>>; atMs?: number };

/** The URL of a member: origin + path of the place + its path + "?" + query + "&X-Amz-Signature=" + its signature. */
export type Presigned = { readonly query: string; readonly signatures: string[] };

/** A member's request: `headers`, its own varying ones, and `authorization` + its signature. */
export type Authorized = {
  readonly headers: Readonly<Record<string, string>>;
  readonly authorization: string;
  readonly signatures: string[];
};

export type SignerOptions = { credentials: StoreCredentials; region: string; clock: Clock; digests?: Digests };

type Mac = Awaited<ReturnType<Digests["hmac"]>>;

export class Signer {
  readonly #credentials: StoreCredentials;
  readonly #region: string;
  readonly #clock: Clock;
  readonly #digests: Digests;
  /** By day. Only finished ones are kept: a promise belongs to the request that made it. */
  readonly #macs = new Map<string, Mac>();

  constructor({ credentials, region, clock, digests = webDigests }: SignerOptions) {
    this.#credentials = credentials;
    this.#region = region;
    this.#clock = clock;
    this.#digests = digests;
  }

  /** Whether what one may, the other may. */
  hasKeysOf(other: Signer): boolean {
    return this.#credentials.accessKeyId === other.#credentials.accessKeyId && this.#region === other.#region;
  }

  /** Signatures in the query, valid for `expiresSeconds` from `atMs` (default: now). The content is not signed. */
  async presign(family: Family, members: readonly Member[], options: PresignOptions): Promise<Presigned> {
    const moment = this.#moment(options.atMs);
    const signed = signedHeaders(family, {});
    const query = encodeQuery({
      ...options.query,
      "X-Amz-Algorithm": ALGORITHM,
      "X-Amz-Content-Sha256": UNSIGNED_PAYLOAD,
      "X-Amz-Credential": `${this.#credentials.accessKeyId}/${moment.scope}`,
      "X-Amz-Date": moment.time,
      "X-Amz-Expires": String(options.expiresSeconds),
      ...(this.#credentials.sessionToken === undefined ? {} : { "X-Amz-Security-Token": this.#credentials.sessionToken }),
      "X-Amz-SignedHeaders": signed.names,
    });
    const toText = canonicalRequest(family, query, signed, () => UNSIGNED_PAYLOAD);
    return { query, signatures: await this.#sign(moment, members, toText) };
  }

  /** Signatures in the authorization header, over the content when `x-amz-content-sha256` says its digest. Valid for 15 minutes. */
  async authorize(family: Family, members: readonly Member[], options: { query?: string; atMs?: number } = {}): Promise<Authorized> {
    const moment = this.#moment(options.atMs);
    const token = this.#credentials.sessionToken;
    const own = { "x-amz-date": moment.time, ...(token === undefined ? {} : { "x-amz-security-token": token }) };
    const signed = signedHeaders(family, own);
    const payloadAt = family.varying.indexOf(PAYLOAD_HEADER);
    const payload = family.headers[PAYLOAD_HEADER] ?? UNSIGNED_PAYLOAD;
    const toText = canonicalRequest(family, options.query ?? "", signed, (member) => member.values[payloadAt] ?? payload);
    return {
      headers: { ...family.headers, ...own },
      authorization: `${ALGORITHM} Credential=${this.#credentials.accessKeyId}/${moment.scope}, SignedHeaders=${signed.names}, Signature=`,
      signatures: await this.#sign(moment, members, toText),
    };
  }

  #moment(atMs = this.#clock.now()): Moment {
    const time = new Date(atMs).toISOString().replace(/[-:]|\.\d{3}/g, "");
    const day = time.slice(0, 8);
    return { time, day, scope: `${day}/${this.#region}/${SERVICE}/aws4_request` };
  }

  async #sign({ time, day, scope }: Moment, members: readonly Member[], toText: (member: Member) => string): Promise<string[]> {
    const sign = signatureMaker(this.#digests, await this.#macOf(day), `${ALGORITHM}\n${time}\n${scope}\n`);
    const signatures: string[] = [];
    for (let at = 0; at < members.length; at += SLICE) {
      const slice = members.slice(at, at + SLICE).map((member) => sign(toText(member)));
      signatures.push(...(await Promise.all(slice)));
    }
    return signatures;
  }

  /** Signs with the key of a day. */
  async #macOf(day: string): Promise<Mac> {
    const known = this.#macs.get(day);
    if (known !== undefined) return known;
    let key: Uint8Array = encoder.encode(`AWS4${this.#credentials.secretAccessKey}`);
    for (const part of [day, this.#region, SERVICE, "aws4_request"]) key = await (await this.#digests.hmac(key))(encoder.encode(part));
    const mac = await this.#digests.hmac(key);
    if (this.#macs.size >= DAYS_MAX) this.#macs.clear();
    this.#macs.set(day, mac);
    return mac;
  }
}

type Moment = { readonly time: string; readonly day: string; readonly scope: string };

/** Header names in order, each with its value, or with the position of its value among a member's. */
type SignedHeaders = { readonly names: string; readonly entries: readonly (readonly [name: string, value: string | number])[] };

function signedHeaders({ place, headers, varying, absent = [] }: Family, own: Readonly<Record<string, string>>): SignedHeaders {
  const entries: [string, string | number][] = Object.entries({ ...headers, ...own, host: place.host });
  entries.push(...absent.map((name): [string, string] => [name, ""]));
  varying.forEach((name, at) => {
    entries.push([name, at]);
  });
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return { names: entries.map(([name]) => name).join(";"), entries };
}

/** Builds the constant parts once; what it returns puts a member's path and values between them. */
function canonicalRequest(family: Family, query: string, signed: SignedHeaders, payloadOf: (member: Member) => string) {
  const head = `${family.method}\n${family.place.path}`;
  const gaps: { before: string; at: number }[] = [];
  let text = `\n${query}\n`;
  for (const [name, value] of signed.entries) {
    text += `${name}:`;
    if (typeof value === "number") {
      gaps.push({ before: text, at: value });
      text = "\n";
    } else {
      text += `${value.trim().replace(/\s+/g, " ")}\n`;
    }
  }
  const tail = `${text}\n${signed.names}\n`;
  return (member: Member): string => {
    let canonical = head + member.path;
    for (const gap of gaps) canonical += gap.before + member.values[gap.at];
    return canonical + tail + payloadOf(member);
  };
}

const encoder = new TextEncoder();
const HEX_CODES = Uint8Array.from({ length: 512 }, (_, at) => {
  const nibble = at % 2 === 0 ? at >> 5 : (at >> 1) & 15;
  return nibble.toString(16).charCodeAt(0);
});

/**
 * Signs canonical requests: HMAC(key, `prologue` + hex(SHA-256(canonical))). Both buffers are used again by every call. That is safe
 * because their bytes are taken before a call returns (WebCrypto's specification says so, for digest and sign).
 */
function signatureMaker(digests: Digests, mac: Mac, prologue: string): (canonical: string) => Promise<string> {
  let canonicalBytes = new Uint8Array(2048);
  const head = encoder.encode(prologue);
  const toSign = new Uint8Array(head.length + 64);
  toSign.set(head);
  return async (canonical) => {
    if (canonicalBytes.length < canonical.length * 3) canonicalBytes = new Uint8Array(canonical.length * 3);
    const { written } = encoder.encodeInto(canonical, canonicalBytes);
    const digest = await digests.sha256(canonicalBytes.subarray(0, written));
    let at = head.length;
    for (const byte of digest) {
      toSign[at++] = HEX_CODES[2 * byte] ?? 0;
      toSign[at++] = HEX_CODES[2 * byte + 1] ?? 0;
    }
    return toHex(await mac(toSign));
  };
}
