/** Looks whether files are what they should be, and makes a destination as fresh for one case as for the next. */
import { closeSync, fstatSync, openSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { MiB } from "../../shared/units.ts";
import type { Dataset } from "./data.ts";

const [left, right] = [Buffer.allocUnsafeSlow(MiB), Buffer.allocUnsafeSlow(MiB)];

/** Throws unless `folder` holds the dataset, byte for byte. */
export function verifyFolder(data: Dataset, folder: string): void {
  for (const file of data.files) {
    if (!isSame(file.path, join(folder, file.name))) throw new Error(`${file.name} has other bytes than it should`);
  }
}

/** Throws unless `folder` holds the dataset's files with their lengths. */
export function checkFolder(data: Dataset, folder: string): void {
  const wrong = data.files.find(({ name, sizeBytes }) => statSync(join(folder, name), { throwIfNoEntry: false })?.size !== sizeBytes);
  if (wrong !== undefined) throw new Error(`${wrong.name} is missing or has another length`);
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [openSync(one, "r"), openSync(other, "r")];
  try {
    const { size } = fstatSync(a);
    if (fstatSync(b).size !== size) return false;
    for (let at = 0; at < size; ) {
      const length = readSync(a, left, 0, left.length, at);
      if (readFully(b, length, at) !== length || left.compare(right, 0, length, 0, length) !== 0) return false;
      at += length;
    }
    return true;
  } finally {
    closeSync(a);
    closeSync(b);
  }
}

function readFully(file: number, length: number, offset: number): number {
  let got = 0;
  while (got < length) {
    const count = readSync(file, right, got, length - got, offset + got);
    if (count === 0) break;
    got += count;
  }
  return got;
}

/**
 * Takes memory for `sizeBytes` of files and gives it back. In a virtual machine that hands its free pages to the host the next use of a page
 * is dear (seconds for 2 GiB), and whoever came first would pay for all.
 */
export function touchMemory(folder: string, sizeBytes: number): void {
  const path = join(folder, "ballast");
  const file = openSync(path, "w");
  try {
    left.fill(1);
    for (let at = 0; at < sizeBytes; at += left.length) writeSync(file, left);
  } finally {
    closeSync(file);
    rmSync(path, { force: true });
  }
}
