/** What revisions name, as work objects: digest, tag and size of each chunk, 44 bytes; by the first digit of the digest. */
import { type Digest, fromHex, toHex } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { fsckWorkPrefix } from "../layout.ts";
import { listAll } from "../listing.ts";
import { pooled, STORE_WIDTH } from "../pool.ts";
import type { Bucket } from "../ports.ts";

const DIGEST_BYTES = 32;
const KEY_BYTES = 40;
const ROW_BYTES = 44;

/** Chunks named by what one step has read. */
export class NamedChunks {
  readonly #columns = new Map<string, { bytes: Uint8Array; length: number }>();
  count = 0;

  add(sha256: Digest, tag: string, size: number): void {
    const digit = sha256.slice(0, 1);
    const column = this.#columns.get(digit) ?? { bytes: new Uint8Array(64 * ROW_BYTES), length: 0 };
    this.#columns.set(digit, column);
    if (column.length === column.bytes.length) {
      const wider = new Uint8Array(2 * column.bytes.length);
      wider.set(column.bytes);
      column.bytes = wider;
    }
    column.bytes.set(fromHex(sha256 + tag), column.length);
    new DataView(column.bytes.buffer).setUint32(column.length + KEY_BYTES, size);
    column.length += ROW_BYTES;
    this.count++;
  }

  /** `name` is of this write alone: a step that is done again adds the same rows once more, which changes nothing. */
  async write(bucket: Bucket, run: string, name: string): Promise<void> {
    await pooled([...this.#columns], STORE_WIDTH, ([digit, { bytes, length }]) =>
      bucket.put(`${fsckWorkPrefix(run)}named-${digit}-${name}`, bytes.subarray(0, length)),
    );
  }
}

/** Size in bytes by `<digest>~<tag>`, of the named chunks whose digest begins with `partition` (one or two digits). */
export async function readNamed(bucket: Bucket, run: string, partition: string): Promise<Map<string, number>> {
  const named = new Map<string, number>();
  for (const { key } of await listAll(bucket, `${fsckWorkPrefix(run)}named-${partition.slice(0, 1)}-`)) {
    const bytes = await bucket.get(key);
    // A lost part would make its chunks orphans, and hide that they are missing.
    if (bytes === null || bytes.length % ROW_BYTES !== 0)
      throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: `${key} can't be read` });
    addRows(named, bytes, partition);
  }
  return named;
}

function addRows(named: Map<string, number>, bytes: Uint8Array, partition: string): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // The second digit is the low half of the first byte; the first digit is the object's.
  const byte = partition.length === 2 ? Number.parseInt(partition, 16) : null;
  for (let at = 0; at < bytes.length; at += ROW_BYTES) {
    if (byte !== null && bytes[at] !== byte) continue;
    const sha256 = toHex(bytes.subarray(at, at + DIGEST_BYTES));
    const tag = toHex(bytes.subarray(at + DIGEST_BYTES, at + KEY_BYTES));
    named.set(`${sha256}~${tag}`, view.getUint32(at + KEY_BYTES));
  }
}

/** Above this a partition of one digit would take longer than a step may. */
const FEW_CHUNKS = 200_000;

export function partitionsFor(chunks: number): string[] {
  const digits = chunks > FEW_CHUNKS ? 2 : 1;
  return Array.from({ length: 16 ** digits }, (_, at) => at.toString(16).padStart(digits, "0"));
}
