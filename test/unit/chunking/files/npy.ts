import { Writer } from "./bytes.ts";

/** As numpy writes an array of bytes: the header is padded with spaces so that the data starts at a multiple of 64. */
export function npy(data: Uint8Array, version = 1): Uint8Array {
  const dict = `{'descr': '|u1', 'fortran_order': False, 'shape': (${data.length},), }`;
  const prefixBytes = version === 1 ? 10 : 12;
  const headerBytes = Math.ceil((prefixBytes + dict.length + 1) / 64) * 64 - prefixBytes;
  return new Writer()
    .bytes(Uint8Array.of(0x93))
    .text("NUMPY")
    .uint(version, 1)
    .uint(0, 1)
    .uint(headerBytes, version === 1 ? 2 : 4)
    .text(`${dict.padEnd(headerBytes - 1)}\n`)
    .bytes(data)
    .done();
}
