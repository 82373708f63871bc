/** Objects of any size of one store, as streams, and presigned PUTs of bytes that nobody has vouched for yet. */
import type { Objects } from "../registry/ports.ts";
import { attempt, type Wire } from "./attempt.ts";
import { StoreAnswer, unavailable } from "./failure.ts";
import { ownPlace, publicPlace, type S3Profile } from "./profile.ts";
import type { Member, Signer } from "./signer.ts";

const READ_SECONDS = 900;

export class S3Objects implements Objects {
  readonly #profile: S3Profile;
  readonly #signer: Signer;
  readonly #wire: Wire;

  constructor(profile: S3Profile, signer: Signer, wire: Wire) {
    this.#profile = profile;
    this.#signer = signer;
    this.#wire = wire;
  }

  async open(key: string, { offset, length }: { offset: number; length: number }, signal: AbortSignal) {
    const place = ownPlace(this.#profile);
    const members: Member[] = [{ path: key, values: [] }];
    const { query, signatures } = await this.#signer.presign({ method: "GET", place, headers: {}, varying: [] }, members, {
      expiresSeconds: READ_SECONDS,
    });
    const url = `${place.origin}${place.path}${key}?${query}&X-Amz-Signature=${signatures[0] ?? ""}`;
    try {
      return await attempt(this.#wire, this.#profile.id, () => this.#get(url, { offset, length }, signal));
    } catch (failure) {
      signal.throwIfAborted();
      if (!(failure instanceof StoreAnswer)) throw failure;
      if (failure.status === 404) return null;
      throw unavailable(this.#profile.id, failure.message);
    }
  }

  async #get(url: string, { offset, length }: { offset: number; length: number }, signal: AbortSignal) {
    const range = `bytes=${offset}-${offset + length - 1}`;
    const answer = await this.#wire.fetch(url, { headers: { range }, signal, redirect: "manual" });
    const isRight = answer.status === 206 || (answer.status === 200 && offset === 0);
    if (isRight && answer.body !== null && Number(answer.headers.get("content-length") ?? length) === length) return answer.body;
    answer.body?.cancel().catch(() => {});
    throw new StoreAnswer({ status: isRight ? 502 : answer.status });
  }

  /** Content-Length is signed: a store refuses a body of another length. */
  async putUrls(items: readonly { key: string; sizeBytes: number }[], seconds: number): Promise<string[]> {
    const place = publicPlace(this.#profile);
    const members = items.map(({ key, sizeBytes }): Member => ({ path: key, values: [String(sizeBytes)] }));
    const family = { method: "PUT", place, headers: {}, varying: ["content-length"] };
    const { query, signatures } = await this.#signer.presign(family, members, { expiresSeconds: seconds });
    return items.map(({ key }, at) => `${place.origin}${place.path}${key}?${query}&X-Amz-Signature=${signatures[at] ?? ""}`);
  }
}
