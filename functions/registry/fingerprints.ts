/**
 * 16-byte fingerprints of chunk keys: the first 8 bytes of the digest and the 8 bytes of the tag. Two keys with one fingerprint would be
 * kept together (as roots) or asked for anew together (as condemned), so a collision costs space or an upload, never a byte.
 */
import type { Digest } from "../../shared/digest.ts";
import { fromHex } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";

export const FINGERPRINT_BYTES = 16;

export function fingerprintOf(sha256: Digest, tag: string): Uint8Array {
  return fromHex(sha256.slice(0, 16) + tag);
}

/** Fingerprints collected in any order, then sorted: a growable column without an object for each. */
export class FingerprintSet {
  #bytes = new Uint8Array(64 * FINGERPRINT_BYTES);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(fingerprint: Uint8Array): void {
    const offset = this.#count * FINGERPRINT_BYTES;
    if (offset === this.#bytes.length) {
      const wider = new Uint8Array(2 * this.#bytes.length);
      wider.set(this.#bytes);
      this.#bytes = wider;
    }
    this.#bytes.set(fingerprint, offset);
    this.#count++;
  }

  /** Sorted, each once. */
  sorted(): Uint8Array {
    return sortFingerprints(this.#bytes.subarray(0, this.#count * FINGERPRINT_BYTES));
  }
}

/** Sorts by the four big-endian words, drops doubles. */
export function sortFingerprints(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const order = Uint32Array.from({ length: bytes.length / FINGERPRINT_BYTES }, (_, at) => at);
  order.sort((a, b) => compareWords(view, a, b));
  const sorted = new Uint8Array(bytes.length);
  let count = 0;
  for (const at of order) {
    const fingerprint = bytes.subarray(at * FINGERPRINT_BYTES, (at + 1) * FINGERPRINT_BYTES);
    if (count > 0 && compareAt(sorted, (count - 1) * FINGERPRINT_BYTES, fingerprint) === 0) continue;
    sorted.set(fingerprint, count++ * FINGERPRINT_BYTES);
  }
  return sorted.subarray(0, count * FINGERPRINT_BYTES);
}

function compareWords(view: DataView, a: number, b: number): number {
  for (let word = 0; word < FINGERPRINT_BYTES; word += 4) {
    const difference = view.getUint32(a * FINGERPRINT_BYTES + word) - view.getUint32(b * FINGERPRINT_BYTES + word);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Whether sorted fingerprints hold this one. */
export function holdsFingerprint(sorted: Uint8Array, fingerprint: Uint8Array): boolean {
  let low = 0;
  let high = sorted.length / FINGERPRINT_BYTES;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareAt(sorted, middle * FINGERPRINT_BYTES, fingerprint);
    if (order === 0) return true;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return false;
}

/** Throws STORAGE_UNAVAILABLE unless these are whole, ordered fingerprints: a cut list would hide what it names. */
export function checkFingerprints(bytes: Uint8Array, key: string): Uint8Array {
  let sound = bytes.length % FINGERPRINT_BYTES === 0;
  for (let offset = FINGERPRINT_BYTES; sound && offset < bytes.length; offset += FINGERPRINT_BYTES) {
    sound = compareAt(bytes, offset - FINGERPRINT_BYTES, bytes.subarray(offset, offset + FINGERPRINT_BYTES)) < 0;
  }
  if (!sound) throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: `${key} is damaged` });
  return bytes;
}

function compareAt(sorted: Uint8Array, offset: number, fingerprint: Uint8Array): number {
  for (let i = 0; i < FINGERPRINT_BYTES; i++) {
    const difference = (sorted[offset + i] ?? 0) - (fingerprint[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
