/** The bucket of the bench's S3 server: objects by key, keys in order, uploads in parts. In memory; contents may be in files. */
import { type Content, dispose, sizeOf } from "./content.ts";

export type StoredObject = {
  content: Content;
  etag: string;
  modifiedAtMs: number;
  /** Headers that go back to readers: content-type and x-amz-meta-*. */
  headers: Readonly<Record<string, string>>;
};

export type Listed = { key: string; object: StoredObject };

export class Objects {
  readonly #objects = new Map<string, StoredObject>();
  /** In the order of their UTF-8 bytes. */
  #keys: string[] = [];
  /** How keys compare: JavaScript's own way is right, and fast, as long as no key has characters where the two orders differ. */
  #compare: (a: string, b: string) => number = byCodeUnits;
  /** New keys, not yet among the others: a bulk of writes costs one sort. */
  #late: string[] = [];

  get(key: string): StoredObject | undefined {
    return this.#objects.get(key);
  }

  set(key: string, object: StoredObject): void {
    const old = this.#objects.get(key);
    if (old !== undefined) dispose(old.content);
    else this.#add(key);
    this.#objects.set(key, object);
  }

  #add(key: string): void {
    this.#late.push(key);
    if (this.#compare === byUtf8 || !/[\ud800-\uffff]/.test(key)) return;
    this.#compare = byUtf8;
    this.#keys.sort(byUtf8);
  }

  delete(key: string): void {
    const object = this.#objects.get(key);
    if (object === undefined) return;
    dispose(object.content);
    this.#objects.delete(key);
    this.#settle();
    this.#keys.splice(this.#position(key), 1);
  }

  deleteBelow(prefix: string): void {
    this.#settle();
    const from = this.#position(prefix);
    let to = from;
    while (this.#keys[to]?.startsWith(prefix)) to++;
    for (const key of this.#keys.splice(from, to - from)) {
      dispose(this.#objects.get(key)?.content ?? []);
      this.#objects.delete(key);
    }
  }

  /** Keys with `prefix` in order, after `after` (exclusive). */
  *list(prefix: string, after: string): Generator<Listed> {
    this.#settle();
    const begin = this.#compare(after, prefix) > 0 ? after : prefix;
    for (let at = this.#position(begin); at < this.#keys.length; at++) {
      const key = this.#keys[at] ?? "";
      if (!key.startsWith(prefix)) return;
      const object = this.#objects.get(key);
      if (key !== after && object !== undefined) yield { key, object };
    }
  }

  /** Index of the first key that is not before `key`. */
  #position(key: string): number {
    let [low, high] = [0, this.#keys.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(this.#keys[middle] ?? "", key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #settle(): void {
    if (this.#late.length === 0) return;
    if (this.#late.length <= FEW) for (const key of this.#late) this.#keys.splice(this.#position(key), 0, key);
    else this.#keys = [...this.#keys, ...this.#late].sort(this.#compare);
    this.#late = [];
  }
}

/** So many keys are put in their places one by one. */
const FEW = 16;

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function byUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Multipart uploads that are under way. */
export class PartUploads {
  readonly #uploads = new Map<string, { key: string; headers: StoredObject["headers"]; parts: Map<number, StoredObject> }>();
  #count = 0;

  begin(key: string, headers: StoredObject["headers"]): string {
    const id = `upload-${++this.#count}`;
    this.#uploads.set(id, { key, headers, parts: new Map() });
    return id;
  }

  /** False when there is no such upload. */
  add(id: string, number: number, part: StoredObject): boolean {
    const upload = this.#uploads.get(id);
    const old = upload?.parts.get(number);
    if (old !== undefined) dispose(old.content);
    upload?.parts.set(number, part);
    return upload !== undefined;
  }

  /** The whole object, parts in the order of their numbers; null when there is no such upload. */
  complete(id: string, nowMs: number): StoredObject | null {
    const upload = this.#uploads.get(id);
    if (upload === undefined) return null;
    this.#uploads.delete(id);
    const parts = [...upload.parts].sort(([a], [b]) => a - b).map(([, part]) => part);
    const etag = `${String(this.#count).padStart(32, "0")}-${parts.length}`;
    return { content: parts.flatMap(({ content }) => content), etag, modifiedAtMs: nowMs, headers: upload.headers };
  }

  abort(id: string): void {
    for (const { content } of this.#uploads.get(id)?.parts.values() ?? []) dispose(content);
    this.#uploads.delete(id);
  }
}

export function objectBytes(object: StoredObject): number {
  return sizeOf(object.content);
}
