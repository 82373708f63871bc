/** Distinct 16-byte fingerprints, counted in typed memory: at most 64 bytes each, where a Set of texts takes more than twice that. */
const WORDS = 4;

/** Open addressing, at most half full. Fingerprints are digits of a digest: spread evenly as they are, and never all zeros. */
export class FingerprintTable {
  #words = new Uint32Array(1024 * WORDS);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Whether it was not there before. */
  add(fingerprint: Uint8Array): boolean {
    if (2 * this.#count * WORDS >= this.#words.length) this.#grow();
    const view = new DataView(fingerprint.buffer, fingerprint.byteOffset, WORDS * 4);
    const isNew = insert(this.#words, view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12));
    if (isNew) this.#count++;
    return isNew;
  }

  #grow(): void {
    const old = this.#words;
    this.#words = new Uint32Array(2 * old.length);
    for (let at = 0; at < old.length; at += WORDS) {
      const [a = 0, b = 0, c = 0, d = 0] = old.subarray(at, at + WORDS);
      if (a !== 0 || b !== 0 || c !== 0 || d !== 0) insert(this.#words, a, b, c, d);
    }
  }
}

function insert(table: Uint32Array, a: number, b: number, c: number, d: number): boolean {
  for (let at = (a * WORDS) % table.length; ; at = (at + WORDS) % table.length) {
    if (table[at] === a && table[at + 1] === b && table[at + 2] === c && table[at + 3] === d) return false;
    if (table[at] !== 0 || table[at + 1] !== 0 || table[at + 2] !== 0 || table[at + 3] !== 0) continue;
    table[at] = a;
    table[at + 1] = b;
    table[at + 2] = c;
    table[at + 3] = d;
    return true;
  }
}
