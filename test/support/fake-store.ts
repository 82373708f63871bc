/** The object store of the fake registry: takes an object only with its ticket and only its content, gives it only with its signature. */
import { createHash, createHmac, randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TicketMode } from "../../shared/contract/uploads.ts";

export type StoreRequest = { verb: "GET" | "PUT"; sha256: string /** Of this verb, from 1. */; nth: number; range: string | undefined };
/** What the store does instead. `corrupt`: one bit of the answer is wrong. `cut`: the answer ends after so many bytes. */
export type StoreFault =
  | { kind: "status"; status: number; code?: string; retryAfter?: number }
  | { kind: "reset" }
  | { kind: "applied-then-reset" }
  | { kind: "corrupt" }
  | { kind: "cut"; bytes: number }
  | { kind: "silence" };

/** Asked before each request to the store. */
export type StoreFaults = (request: StoreRequest) => StoreFault | undefined;

export class FakeStore {
  readonly objects = new Map<string, Buffer>();
  /** Bytes of bodies that reached the store and that left it. */
  putBytes = 0;
  getBytes = 0;
  readonly #count: (verb: "GET" | "PUT") => number;
  readonly #options: () => { fault?: StoreFaults };
  readonly #secret = randomBytes(16);

  constructor(count: (verb: "GET" | "PUT") => number, options: () => { fault?: StoreFaults }) {
    this.#count = count;
    this.#options = options;
  }

  sign(text: string): string {
    return createHmac("sha256", this.#secret).update(text).digest("hex");
  }

  async serve(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const verb = request.method === "PUT" ? "PUT" : "GET";
    const key = url.pathname.slice("/store/".length);
    const nth = this.#count(verb);
    const fault = this.#options().fault?.({ verb, sha256: key.split("~")[0] ?? "", nth, range: request.headers.range });
    if (fault?.kind === "status") return refuse(response, fault.status, fault);
    if (fault?.kind === "silence") return;
    if (fault?.kind === "reset") {
      request.socket.destroy();
      return;
    }
    if (verb === "PUT") await this.#put({ request, response, url, key, dropAnswer: fault?.kind === "applied-then-reset" });
    else this.#get({ request, response, url, key, fault });
  }

  async #put({ request, response, url, key, dropAnswer }: Putting): Promise<void> {
    const bytes = await collect(request);
    this.putBytes += bytes.length;
    const status = this.#accept(request, url, key, bytes);
    if (dropAnswer) request.socket.destroy();
    else if (status === 200) response.writeHead(200).end();
    else
      refuse(response, status, {
        code: status === 400 ? "XAmzContentSHA256Mismatch" : status === 403 ? "AccessDenied" : "PreconditionFailed",
      });
  }

  #accept(request: IncomingMessage, url: URL, key: string, bytes: Buffer): number {
    const { authorization = "", "x-amz-content-sha256": payload, "x-amz-checksum-sha256": checksum, "content-md5": md5 } = request.headers;
    const mode: TicketMode = payload !== undefined ? "payload" : checksum !== undefined ? "checksum" : "md5";
    const [, expiresText = "", headerSignature = ""] = authorization.split(" ");
    const expires = mode === "payload" ? expiresText : (url.searchParams.get("expires") ?? "");
    const signature = mode === "payload" ? headerSignature : url.searchParams.get("X-Amz-Signature");
    const claimed = { payload, checksum: Buffer.from(String(checksum), "base64").toString("hex"), md5: String(md5) }[mode];
    if (signature !== this.sign(`PUT ${key} ${bytes.length} ${mode} ${claimed} ${expires}`)) return 403;
    if (Date.now() > Number(expires)) return 403;
    const actual = mode === "md5" ? createHash("md5").update(bytes).digest("base64") : createHash("sha256").update(bytes).digest("hex");
    if (actual !== claimed) return 400;
    if (request.headers["if-none-match"] === "*" && this.objects.has(key)) return 412;
    this.objects.set(key, bytes);
    return 200;
  }

  #refusalOfGet(url: URL, key: string): string | null {
    const expires = url.searchParams.get("expires") ?? "";
    if (url.searchParams.get("X-Amz-Signature") !== this.sign(`GET ${key} ${expires}`)) return "AccessDenied";
    return Date.now() > Number(expires) ? "ExpiredRequest" : null;
  }

  #get({ request, response, url, key, fault }: Getting): void {
    const object = this.objects.get(key);
    const code = this.#refusalOfGet(url, key);
    if (object === undefined || code !== null) {
      refuse(response, code === null ? 404 : 403, { code: code ?? "NoSuchKey" });
      return;
    }
    const [, from = "0", to = ""] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    const start = Number(from);
    const end = to === "" ? object.length : Number(to) + 1;
    const isPart = start > 0 || end < object.length;
    const body = Buffer.from(object.subarray(start, end));
    if (fault?.kind === "corrupt") body[body.length >> 1] = (body[body.length >> 1] ?? 0) ^ 1;
    const range = isPart ? { "content-range": `bytes ${start}-${end - 1}/${object.length}` } : {};
    response.writeHead(isPart ? 206 : 200, { "content-length": body.length, ...range });
    if (fault?.kind === "cut") {
      this.getBytes += fault.bytes;
      response.write(body.subarray(0, fault.bytes), () => request.socket.end());
      return;
    }
    this.getBytes += body.length;
    response.end(body);
  }
}

type Putting = { request: IncomingMessage; response: ServerResponse; url: URL; key: string; dropAnswer: boolean };
type Getting = { request: IncomingMessage; response: ServerResponse; url: URL; key: string; fault: StoreFault | undefined };

function refuse(
  response: ServerResponse,
  status: number,
  { code, retryAfter }: { code?: string | undefined; retryAfter?: number | undefined },
): void {
  response.writeHead(status, retryAfter === undefined ? {} : { "retry-after": String(retryAfter) });
  response.end(code === undefined ? "" : `<?xml version="1.0"?><Error><Code>${code}</Code></Error>`);
}

export async function collect(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}
