/** Trees of files on disk for tests of transfers, and how to compare them. */
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A folder of its own, removed by `remove`. */
export function tempFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "ferry-test-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Content of a file, or where a link points. */
export type Planted = Uint8Array | string | { link: string } | { executable: Uint8Array | string };

export function plant(root: string, files: Readonly<Record<string, Planted>>): void {
  for (const [path, planted] of Object.entries(files)) {
    const local = join(root, path);
    mkdirSync(dirname(local), { recursive: true });
    if (typeof planted === "string" || planted instanceof Uint8Array) writeFileSync(local, planted);
    else if ("link" in planted) symlinkSync(planted.link, local);
    else {
      writeFileSync(local, planted.executable);
      chmodSync(local, 0o755);
    }
  }
}

/** path → what is there, for `assert.deepEqual`; folders only by what is in them. */
export function snapshot(root: string, under = ""): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(join(root, under)).sort()) {
    const path = under === "" ? name : `${under}/${name}`;
    const stats = lstatSync(join(root, path));
    if (stats.isDirectory()) Object.assign(found, snapshot(root, path));
    else if (stats.isSymbolicLink()) found[path] = `-> ${readlinkSync(join(root, path))}`;
    else found[path] = `${(stats.mode & 0o100) === 0 ? "file" : "executable"} ${sha256Hex(readFileSync(join(root, path)))}`;
  }
  return found;
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A safetensors file of these tensors, in this order. */
export function safetensors(tensors: Readonly<Record<string, Uint8Array>>, metadata: Readonly<Record<string, string>> = {}): Buffer {
  let end = 0;
  const header: Record<string, unknown> = { __metadata__: metadata };
  for (const [name, bytes] of Object.entries(tensors)) {
    header[name] = { dtype: "U8", shape: [bytes.length], data_offsets: [end, end + bytes.length] };
    end += bytes.length;
  }
  const json = JSON.stringify(header);
  const text = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8, " "));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...Object.values(tensors)]);
}

export function randomTensor(sizeBytes: number): Buffer {
  return randomBytes(sizeBytes);
}
