/** What a probe works with: a scratch folder of one store, signed requests to it, and sentences about what came of them. */
import type { S3Client } from "@aws-sdk/client-s3";
import type { ProbeCheck } from "../../shared/contract/stores.ts";
import type { TicketBatch, TicketMode } from "../../shared/contract/uploads.ts";
import { Digest, sha256, toBase64, toHex } from "../../shared/digest.ts";
import { downloadUrl, type SignedRequest, ticketRequest } from "../../shared/tickets.ts";
import { PROBE_PREFIX } from "../registry/layout.ts";
import type { Bucket } from "../registry/ports.ts";
import type { Wire } from "./attempt.ts";
import { understand } from "./failure.ts";
import { below, dialectOf, ownPlace, type Place, type S3Profile } from "./profile.ts";
import { md5Of } from "./s3-client.ts";
import type { Signer } from "./signer.ts";
import { signDownloads, signTickets } from "./tickets.ts";

/** A download is signed by path alone: its digest is for the client. */
const EMPTY_DIGEST = Digest.parse("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

export type ProbeTools = { profile: S3Profile; signer: Signer; bucket: Bucket; client: S3Client; wire: Wire };

export type Sent = { status: number; headers: Headers; bytes: Uint8Array };

export class ProbeGround {
  readonly tools: ProbeTools;
  /** Key prefix of everything that the probe writes. */
  readonly folder: string;
  /** The folder as we reach it; tickets given to clients differ only in the host. */
  readonly place: Place;

  constructor(tools: ProbeTools) {
    this.tools = tools;
    this.folder = `${PROBE_PREFIX}${toHex(tools.wire.random.bytes(8))}/`;
    this.place = below(ownPlace(tools.profile), this.folder);
  }

  /** Bytes that nobody stored before. */
  body(sizeBytes: number): Uint8Array<ArrayBuffer> {
    const seed = this.tools.wire.random.bytes(32);
    return Uint8Array.from({ length: sizeBytes }, (_, at) => (seed[at % 32] ?? 0) ^ (at >> 5));
  }

  /** The PUT of a ticket for `body` at `path` in the folder. */
  async ticket(mode: TicketMode, path: string, body: Uint8Array, atMs?: number): Promise<SignedRequest> {
    const item = { sha256: await sha256(body), size: body.length, path, md5: toBase64(await md5Of(this.tools.client, body)) };
    const dialect = dialectOf(this.tools.profile);
    const when = atMs === undefined ? {} : { atMs };
    const batch: TicketBatch = await signTickets(this.tools.signer, { mode, place: this.place, dialect, items: [item], ...when });
    const [signed] = batch.items;
    if (signed === undefined) throw new RangeError("a batch of one has one ticket");
    return ticketRequest(batch, signed);
  }

  /** The bytes at `path` in the folder, as a client reads them: by a presigned GET, perhaps with more headers. */
  async download(path: string, headers: Record<string, string> = {}): Promise<Sent> {
    const items = [{ sha256: EMPTY_DIGEST, path }];
    const batch = await signDownloads(this.tools.signer, { store: this.tools.profile.id, place: this.place, items });
    const [signed] = batch.items;
    if (signed === undefined) throw new RangeError("a batch of one has one item");
    return this.send(downloadUrl(batch, signed), { method: "GET", headers });
  }

  /** One request, never repeated: a repeat would hide what the first did. */
  async send(url: string, init: { method: string; headers?: Record<string, string>; body?: Uint8Array<ArrayBuffer> }): Promise<Sent> {
    const answer = await this.tools.wire.fetch(url, {
      ...init,
      redirect: "manual",
      signal: AbortSignal.timeout(this.tools.wire.timeoutMs),
    });
    return { status: answer.status, headers: answer.headers, bytes: new Uint8Array(await answer.arrayBuffer()) };
  }
}

/** The outcome of trying one thing: fine or not, or null when the store's answer decides nothing. */
export type Outcome = { ok: boolean | null; detail: string };

/** A check that can't be carried out is an outcome too: it proves nothing, and does not end the probe. */
export async function check(name: string, run: () => Promise<Outcome>): Promise<ProbeCheck> {
  try {
    return { check: name, ...(await run()) };
  } catch (error) {
    return { check: name, ok: null, detail: understand(error).message };
  }
}

export function sameBytes(a: Uint8Array | null, b: Uint8Array): boolean {
  return a !== null && a.length === b.length && a.every((byte, at) => byte === b[at]);
}
