/** SHA-256 of bytes that come piece by piece, which WebCrypto can't (FIPS 180-4). For whole files; chunks are hashed by WebCrypto in one go. */

const ROUNDS = new Int32Array(64);
const START = new Int32Array(8);

/** The first 32 bits of the fractions of the cube roots of the first 64 primes, and of the square roots of the first 8. */
(function prepare() {
  const fraction = (root: number) => Math.floor((root - Math.floor(root)) * 0x1_0000_0000);
  let count = 0;
  for (let candidate = 2; count < 64; candidate++) {
    let isPrime = true;
    for (let divisor = 2; divisor * divisor <= candidate; divisor++) if (candidate % divisor === 0) isPrime = false;
    if (!isPrime) continue;
    if (count < 8) START[count] = fraction(Math.sqrt(candidate));
    ROUNDS[count++] = fraction(Math.cbrt(candidate));
  }
})();

const BLOCK = 64;

export class Sha256 {
  readonly #state = START.slice();
  readonly #rest = new Uint8Array(BLOCK);
  readonly #words = new Int32Array(64);
  #restBytes = 0;
  #bytes = 0;

  update(bytes: Uint8Array): this {
    this.#bytes += bytes.length;
    let at = 0;
    if (this.#restBytes > 0) {
      at = Math.min(bytes.length, BLOCK - this.#restBytes);
      this.#rest.set(bytes.subarray(0, at), this.#restBytes);
      this.#restBytes += at;
      if (this.#restBytes < BLOCK) return this;
      this.#blocks(this.#rest, 0, BLOCK);
      this.#restBytes = 0;
    }
    const whole = at + Math.floor((bytes.length - at) / BLOCK) * BLOCK;
    this.#blocks(bytes, at, whole);
    this.#rest.set(bytes.subarray(whole));
    this.#restBytes = bytes.length - whole;
    return this;
  }

  /** Lower-case hex. Nothing may be added afterwards. */
  digest(): string {
    const end = new Uint8Array(this.#restBytes < 56 ? BLOCK : 2 * BLOCK);
    end.set(this.#rest.subarray(0, this.#restBytes));
    end[this.#restBytes] = 0x80;
    const view = new DataView(end.buffer);
    view.setUint32(end.length - 8, Math.floor((this.#bytes * 8) / 0x1_0000_0000));
    view.setUint32(end.length - 4, (this.#bytes * 8) >>> 0);
    this.#blocks(end, 0, end.length);
    return Array.from(this.#state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  #blocks(bytes: Uint8Array, from: number, to: number): void {
    for (let at = from; at < to; at += BLOCK) {
      spread(this.#words, bytes, at);
      compress(this.#state, this.#words);
    }
  }
}

function spread(words: Int32Array, bytes: Uint8Array, at: number): void {
  for (let i = 0, p = at; i < 16; i++, p += 4) {
    words[i] = ((bytes[p] as number) << 24) | ((bytes[p + 1] as number) << 16) | ((bytes[p + 2] as number) << 8) | (bytes[p + 3] as number);
  }
  for (let i = 16; i < 64; i++) {
    const w15 = words[i - 15] as number;
    const w2 = words[i - 2] as number;
    const s0 = ((w15 >>> 7) | (w15 << 25)) ^ ((w15 >>> 18) | (w15 << 14)) ^ (w15 >>> 3);
    const s1 = ((w2 >>> 17) | (w2 << 15)) ^ ((w2 >>> 19) | (w2 << 13)) ^ (w2 >>> 10);
    words[i] = ((words[i - 16] as number) + s0 + (words[i - 7] as number) + s1) | 0;
  }
}

/** Written out in numbers: taking the state apart by its iterator would halve the speed. */
function compress(state: Int32Array, words: Int32Array): void {
  let a = state[0] as number;
  let b = state[1] as number;
  let c = state[2] as number;
  let d = state[3] as number;
  let e = state[4] as number;
  let f = state[5] as number;
  let g = state[6] as number;
  let h = state[7] as number;
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + (g ^ (e & (f ^ g))) + (ROUNDS[i] as number) + (words[i] as number)) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) | (c & (a | b)))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] = ((state[0] as number) + a) | 0;
  state[1] = ((state[1] as number) + b) | 0;
  state[2] = ((state[2] as number) + c) | 0;
  state[3] = ((state[3] as number) + d) | 0;
  state[4] = ((state[4] as number) + e) | 0;
  state[5] = ((state[5] as number) + f) | 0;
  state[6] = ((state[6] as number) + g) | 0;
  state[7] = ((state[7] as number) + h) | 0;
}
