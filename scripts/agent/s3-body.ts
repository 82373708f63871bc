/** Takes the body of a request in: apart when it is aws-chunked, and held against everything that its sender said of it. */
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { ChunkedBody } from "../../functions/doors/s3/chunked.ts";
import { S3Refusal } from "../../functions/doors/s3/refusals.ts";
import type { SignedPayload } from "../../functions/doors/s3/signature.ts";
import { Digest } from "../../shared/digest.ts";
import { GiB, MiB } from "../../shared/units.ts";
import { CHECKSUMS, type Checksum, NODE_CRYPTO, startSha256 } from "./s3-crypto.ts";

export const BODY_BYTES_MAX = 5 * GiB;
const TEXT_BYTES_MAX = 2 * MiB;
/** A sender that sends nothing for so long is gone. */
const STALL_MS = 60_000;
/** How much is gathered before it is given on. */
const SLAB_BYTES = MiB;

/** `md5`: in hex. `checksums`: as headers have them, those that were sent. */
export type TakenBody = { sizeBytes: number; sha256: Digest | null; md5: string | null; checksums: Record<string, string> };
export type Wants = { sha256: boolean; md5: boolean };
export type BodySource = { request: IncomingMessage; response: ServerResponse; payload: SignedPayload };

/** How many bytes will come, without what aws-chunked adds. Throws S3Refusal. */
export function sizeOfBody({ request: { headers }, payload }: Omit<BodySource, "response">): number {
  const text = payload.kind === "chunks" ? headers["x-amz-decoded-content-length"] : headers["content-length"];
  if (typeof text !== "string" || !/^\d{1,15}$/.test(text))
    throw new S3Refusal("MissingContentLength", "the length of the body is not given");
  const sizeBytes = Number(text);
  if (sizeBytes > BODY_BYTES_MAX)
    throw new S3Refusal("EntityTooLarge", `one request has at most ${BODY_BYTES_MAX} bytes: send it in parts`);
  return sizeBytes;
}

/** Throws S3Refusal when the body is not what was said of it; then nothing that was written may count. */
export async function takeBody(source: BodySource, wants: Wants, write: (bytes: Uint8Array) => Promise<void>): Promise<TakenBody> {
  const taking = new Taking(source, wants);
  const { request, response } = source;
  // Who asked first whether he may send has waited until now.
  if (request.headers.expect?.toLowerCase() === "100-continue") response.writeContinue();
  request.setTimeout(STALL_MS, () => request.destroy(new S3Refusal("IncompleteBody", "nothing came for too long")));
  try {
    for await (const slab of slabs(taking.parts(request), Math.max(1, Math.min(SLAB_BYTES, sizeOfBody(source))))) await write(slab);
    return taking.end();
  } catch (error) {
    if (request.errored !== null && !(error instanceof S3Refusal))
      throw new S3Refusal("IncompleteBody", "the body broke off", { cause: error });
    throw error;
  } finally {
    request.setTimeout(0);
  }
}

/** A small body as text. Throws S3Refusal. */
export async function takeText(source: BodySource): Promise<string> {
  if (sizeOfBody(source) > TEXT_BYTES_MAX) throw new S3Refusal("EntityTooLarge", `the body has more than ${TEXT_BYTES_MAX} bytes`);
  const pieces: Uint8Array[] = [];
  await takeBody(source, { sha256: false, md5: false }, async (bytes) => void pieces.push(Uint8Array.from(bytes)));
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(pieces));
  } catch {
    throw new S3Refusal("InvalidRequest", "the body is not UTF-8");
  }
}

/** Gathers what comes in small pieces; each slab is good until the next one is asked for. */
async function* slabs(parts: AsyncGenerator<Uint8Array>, slabBytes: number): AsyncGenerator<Uint8Array> {
  let slab: Buffer | null = null;
  let filled = 0;
  for await (const part of parts) {
    for (let at = 0; at < part.length; ) {
      slab ??= Buffer.allocUnsafeSlow(slabBytes);
      const taken = part.subarray(at, at + slabBytes - filled);
      slab.set(taken, filled);
      at += taken.length;
      filled += taken.length;
      if (filled < slabBytes) continue;
      yield slab;
      filled = 0;
    }
  }
  if (slab !== null && filled > 0) yield slab.subarray(0, filled);
}

class Taking {
  readonly #source: BodySource;
  readonly #sizeBytes: number;
  readonly #chunked: ChunkedBody | null;
  readonly #sha256: ReturnType<typeof startSha256> | null;
  readonly #md5: ReturnType<typeof createHash> | null;
  readonly #checksums = new Map<string, Checksum>();
  #takenBytes = 0;

  constructor(source: BodySource, wants: Wants) {
    this.#source = source;
    this.#sizeBytes = sizeOfBody(source);
    const { payload, request } = source;
    const form = { crypto: NODE_CRYPTO, startHash: startSha256 };
    this.#chunked = payload.kind === "chunks" ? new ChunkedBody({ ...payload, ...form }) : null;
    this.#sha256 = wants.sha256 || payload.kind === "hash" ? startSha256() : null;
    this.#md5 = wants.md5 || request.headers["content-md5"] !== undefined ? createHash("md5") : null;
    for (const name of this.#announced()) {
      const start = CHECKSUMS[name];
      if (start === undefined) throw new S3Refusal("InvalidRequest", `the checksum ${name} is not known`);
      this.#checksums.set(name, start());
    }
  }

  async *parts(request: IncomingMessage): AsyncGenerator<Uint8Array> {
    for await (const raw of request as AsyncIterable<Buffer>) {
      for (const bytes of this.#chunked?.feed(raw) ?? [raw]) {
        this.#takenBytes += bytes.length;
        if (this.#takenBytes > this.#sizeBytes) throw new S3Refusal("IncompleteBody", "the body is longer than it says");
        this.#sha256?.update(bytes);
        this.#md5?.update(bytes);
        for (const checksum of this.#checksums.values()) checksum.update(bytes);
        yield bytes;
      }
    }
    this.#chunked?.end();
  }

  end(): TakenBody {
    if (this.#takenBytes !== this.#sizeBytes) throw new S3Refusal("IncompleteBody", "the body is shorter than it says");
    const { payload, request } = this.#source;
    const sha256 = this.#sha256 === null ? null : Digest.parse(this.#sha256.hex());
    if (payload.kind === "hash" && sha256 !== payload.sha256)
      throw new S3Refusal("XAmzContentSHA256Mismatch", "the body does not have the digest that was signed");
    const md5 = this.#md5?.digest() ?? null;
    const saidMd5 = request.headersDistinct["content-md5"]?.[0];
    if (saidMd5 !== undefined && !isBase64(saidMd5, 16)) throw new S3Refusal("InvalidDigest", "Content-MD5 is no MD5");
    if (saidMd5 !== undefined && saidMd5 !== md5?.toString("base64"))
      throw new S3Refusal("BadDigest", "the body does not have the MD5 that was said");
    const checksums: Record<string, string> = {};
    for (const [name, checksum] of this.#checksums) checksums[`x-amz-checksum-${name}`] = this.#checked(name, checksum.base64());
    return { sizeBytes: this.#takenBytes, sha256, md5: md5?.toString("hex") ?? null, checksums };
  }

  #checked(name: string, actual: string): string {
    const header = `x-amz-checksum-${name}`;
    const said = this.#chunked?.trailer[header] ?? this.#source.request.headers[header];
    if (said !== actual) throw new S3Refusal("BadDigest", `the body does not have the ${name} that was said`);
    return actual;
  }

  /** Names of checksums that stand in the head, or are announced for the trailer. */
  #announced(): Set<string> {
    const { headers } = this.#source.request;
    const trailer = String(headers["x-amz-trailer"] ?? "").split(",");
    const names = [...Object.keys(headers), ...trailer.map((name) => name.trim().toLowerCase())];
    const found = names.flatMap(
      (name) => /^x-amz-checksum-(crc32|crc32c|crc64nvme|sha1|sha256|sha512|md5|xxhash\w+)$/.exec(name)?.[1] ?? [],
    );
    return new Set(found);
  }
}

function isBase64(text: string, sizeBytes: number): boolean {
  return /^[A-Za-z0-9+/]+=*$/.test(text) && Buffer.from(text, "base64").length === sizeBytes;
}
