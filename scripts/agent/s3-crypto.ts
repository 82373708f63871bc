/** What the S3 door computes: hashes, signatures, and the checksums that clients send with a body. */
import { createHash, createHmac, type Hash, timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";
import type { RunningHash } from "../../functions/doors/s3/chunked.ts";
import type { S3Crypto } from "../../functions/doors/s3/signature.ts";

export const NODE_CRYPTO: S3Crypto = {
  sha256Hex: (data) => createHash("sha256").update(data).digest("hex"),
  hmac: (key, text) => createHmac("sha256", key).update(text).digest(),
  hmacSha1: (key, text) => createHmac("sha1", key).update(text).digest("base64"),
  hex: (bytes) => Buffer.from(bytes).toString("hex"),
  isEqual: (a, b) => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b)),
};

export function startSha256(): RunningHash {
  const hash = createHash("sha256");
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest("hex") };
}

/** Base64 of the checksum, as headers have it. */
export type Checksum = { update(bytes: Uint8Array): void; base64(): string };

/** By the end of `x-amz-checksum-…`. */
export const CHECKSUMS: Readonly<Record<string, () => Checksum>> = {
  crc32: () => {
    let crc = 0;
    return {
      update: (bytes) => {
        crc = crc32(bytes, crc);
      },
      base64: () => bigEndian([crc]),
    };
  },
  crc32c: startCrc32c,
  crc64nvme: startCrc64,
  sha1: () => ofHash(createHash("sha1")),
  sha256: () => ofHash(createHash("sha256")),
};

function ofHash(hash: Hash): Checksum {
  return { update: (bytes) => void hash.update(bytes), base64: () => hash.digest("base64") };
}

function bigEndian(words: readonly number[]): string {
  const bytes = Buffer.alloc(4 * words.length);
  for (const [at, word] of words.entries()) bytes.writeUInt32BE(word >>> 0, 4 * at);
  return bytes.toString("base64");
}

const SLICES = 8;
const CRC32C_POLYNOMIAL = 0x82f63b78;
/** CRC-64/NVME, reflected: its upper and its lower half. */
const CRC64_POLYNOMIAL = [0x9a6c9329, 0xac4bc9b5] as const;

/** Eight tables, so that eight bytes are one step. */
let crc32cTables: Uint32Array | null = null;
let crc64Tables: { high: Uint32Array; low: Uint32Array } | null = null;

function makeCrc32cTables(): Uint32Array {
  const tables = new Uint32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ CRC32C_POLYNOMIAL : crc >>> 1;
    tables[byte] = crc;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = at1(tables, at - 256);
    tables[at] = (before >>> 8) ^ at1(tables, before & 0xff);
  }
  return tables;
}

function at1(table: Uint32Array, index: number): number {
  return table[index] ?? 0;
}

function startCrc32c(): Checksum {
  crc32cTables ??= makeCrc32cTables();
  const t = crc32cTables;
  let crc = 0xffffffff;
  return {
    update: (bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      let at = 0;
      for (; at + SLICES <= bytes.length; at += SLICES) {
        const a = view.getUint32(at, true) ^ crc;
        const b = view.getUint32(at + 4, true);
        crc =
          at1(t, 1792 + (a & 0xff)) ^
          at1(t, 1536 + ((a >>> 8) & 0xff)) ^
          at1(t, 1280 + ((a >>> 16) & 0xff)) ^
          at1(t, 1024 + (a >>> 24)) ^
          at1(t, 768 + (b & 0xff)) ^
          at1(t, 512 + ((b >>> 8) & 0xff)) ^
          at1(t, 256 + ((b >>> 16) & 0xff)) ^
          at1(t, b >>> 24);
      }
      for (; at < bytes.length; at++) crc = (crc >>> 8) ^ at1(t, (crc ^ (bytes[at] ?? 0)) & 0xff);
    },
    base64: () => bigEndian([~crc]),
  };
}

function makeCrc64Tables(): { high: Uint32Array; low: Uint32Array } {
  const [high, low] = [new Uint32Array(SLICES * 256), new Uint32Array(SLICES * 256)];
  for (let byte = 0; byte < 256; byte++) {
    let [h, l] = [0, byte];
    for (let bit = 0; bit < 8; bit++) {
      const isOdd = l & 1;
      l = (l >>> 1) | (h << 31);
      h >>>= 1;
      if (isOdd) [h, l] = [h ^ CRC64_POLYNOMIAL[0], l ^ CRC64_POLYNOMIAL[1]];
    }
    [high[byte], low[byte]] = [h, l];
  }
  for (let at = 256; at < high.length; at++) {
    const [h, l] = [at1(high, at - 256), at1(low, at - 256)];
    low[at] = ((l >>> 8) | (h << 24)) ^ at1(low, l & 0xff);
    high[at] = (h >>> 8) ^ at1(high, l & 0xff);
  }
  return { high, low };
}

function startCrc64(): Checksum {
  crc64Tables ??= makeCrc64Tables();
  const { high, low } = crc64Tables;
  let [h, l] = [0xffffffff, 0xffffffff];
  const slice = (word: number, shift: number, slot: number) => 256 * slot + ((word >>> shift) & 0xff);
  return {
    update: (bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      let at = 0;
      for (; at + SLICES <= bytes.length; at += SLICES) {
        const a = view.getUint32(at, true) ^ l;
        const b = view.getUint32(at + 4, true) ^ h;
        const [i7, i6, i5, i4] = [slice(a, 0, 7), slice(a, 8, 6), slice(a, 16, 5), slice(a, 24, 4)];
        const [i3, i2, i1, i0] = [slice(b, 0, 3), slice(b, 8, 2), slice(b, 16, 1), slice(b, 24, 0)];
        l = at1(low, i7) ^ at1(low, i6) ^ at1(low, i5) ^ at1(low, i4) ^ at1(low, i3) ^ at1(low, i2) ^ at1(low, i1) ^ at1(low, i0);
        h = at1(high, i7) ^ at1(high, i6) ^ at1(high, i5) ^ at1(high, i4) ^ at1(high, i3) ^ at1(high, i2) ^ at1(high, i1) ^ at1(high, i0);
      }
      for (; at < bytes.length; at++) {
        const index = (l ^ (bytes[at] ?? 0)) & 0xff;
        l = ((l >>> 8) | (h << 24)) ^ at1(low, index);
        h = (h >>> 8) ^ at1(high, index);
      }
    },
    base64: () => bigEndian([~h, ~l]),
  };
}
