/** Files that transfers move: incompressible, no two parts alike, their digests known. */
import { createCipheriv, createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, readSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { MiB } from "../../shared/units.ts";

/** `name`: the path below the dataset's folder, with "/" only. `md5` in hex. */
export type DataFile = { name: string; path: string; sizeBytes: number; sha256: string; md5: string };

export type Dataset = { folder: string; files: DataFile[]; totalBytes: number };

const FILES_PER_FOLDER = 1000;

/** `count` files of `sizeBytes` each. */
export function makeDataset(folder: string, { count, sizeBytes, seed }: { count: number; sizeBytes: number; seed: string }): Dataset {
  const files = Array.from({ length: count }, (_, at) => {
    const name = count > FILES_PER_FOLDER ? `${Math.floor(at / FILES_PER_FOLDER)}/${at}.bin` : `${at}.bin`;
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    return { name, path, sizeBytes, ...writeRandomFile(path, sizeBytes, `${seed} ${at}`) };
  });
  return { folder, files, totalBytes: count * sizeBytes };
}

/** The same seed gives the same bytes. */
function writeRandomFile(path: string, sizeBytes: number, seed: string): { sha256: string; md5: string } {
  const [sha256, md5] = [createHash("sha256"), createHash("md5")];
  const file = openSync(path, "w");
  try {
    for (const bytes of randomBytesOf(seed, sizeBytes)) {
      writeSync(file, bytes);
      sha256.update(bytes);
      md5.update(bytes);
    }
  } finally {
    closeSync(file);
  }
  return { sha256: sha256.digest("hex"), md5: md5.digest("hex") };
}

/** As fast as AES. */
export function* randomBytesOf(seed: string, sizeBytes: number): Generator<Buffer> {
  const cipher = createCipheriv("aes-128-ctr", createHash("sha256").update(seed).digest().subarray(0, 16), Buffer.alloc(16));
  const zeros = Buffer.alloc(Math.min(MiB, sizeBytes));
  for (let left = sizeBytes; left > 0; left -= zeros.length) yield cipher.update(zeros.subarray(0, Math.min(zeros.length, left)));
}

export function sha256OfFile(path: string): string {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(MiB);
  const file = openSync(path, "r");
  try {
    for (let length = -1; length !== 0; ) {
      length = readSync(file, buffer);
      hash.update(buffer.subarray(0, length));
    }
  } finally {
    closeSync(file);
  }
  return hash.digest("hex");
}
