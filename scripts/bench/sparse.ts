/** Models that take no disk: where they are pushed from they are mostly holes, and where they are pulled to, files go as soon as they are whole. */
import { randomBytes } from "node:crypto";
import { closeSync, ftruncateSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { GiB, MiB } from "../../shared/units.ts";

const FILE_BYTES = GiB;
const TENSOR_BYTES = 64 * MiB;
/** Random bytes in each MiB: they make every chunk another. */
const MARK_BYTES = 16;
const REAP_MS = 20;
const NAME = "model-";

/** Safetensors files whose tensors are mostly holes. */
export function sparseModel(folder: string, sizeBytes: number): string {
  mkdirSync(folder, { recursive: true });
  for (let at = 0, number = 0; at < sizeBytes; at += FILE_BYTES, number++) {
    writeSparse(join(folder, `${NAME}${number}.safetensors`), Math.min(FILE_BYTES, sizeBytes - at));
  }
  return folder;
}

function writeSparse(path: string, sizeBytes: number): void {
  const tensors = Math.max(1, Math.floor(sizeBytes / TENSOR_BYTES));
  const tensorBytes = Math.floor(sizeBytes / tensors);
  const described = Array.from({ length: tensors }, (_, at) => [
    `layer.${at}.weight`,
    { dtype: "U8", shape: [tensorBytes], data_offsets: [at * tensorBytes, (at + 1) * tensorBytes] },
  ]);
  const text = JSON.stringify(Object.fromEntries(described));
  const header = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8, " "));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const file = openSync(path, "w");
  try {
    writeSync(file, Buffer.concat([length, header]));
    const begin = length.length + header.length;
    ftruncateSync(file, begin + tensors * tensorBytes);
    for (let at = 0; at < tensors * tensorBytes; at += MiB) writeSync(file, randomBytes(MARK_BYTES), 0, MARK_BYTES, begin + at);
  } finally {
    closeSync(file);
  }
}

/** Removes files of such a model from a folder as soon as they have their names, while something brings them there. */
export async function reaping<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const reaper = setInterval(() => reap(folder), REAP_MS);
  return work().finally(() => clearInterval(reaper));
}

function reap(folder: string): void {
  for (const name of readdirSync(folder)) if (name.startsWith(NAME)) rmSync(join(folder, name), { force: true });
}
