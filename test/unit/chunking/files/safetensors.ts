import { concat, Writer } from "./bytes.ts";

/** A tensor of single bytes, so that any length is a shape. */
export type Tensor = { name: string; bytes: Uint8Array };

/** As safetensors writes it: data without gaps in the given order, header padded with spaces to a multiple of 8. */
export function safetensors(tensors: readonly Tensor[], metadata?: Record<string, string>): Uint8Array {
  const header: Record<string, unknown> = metadata === undefined ? {} : { __metadata__: metadata };
  let offset = 0;
  for (const { name, bytes } of tensors) {
    header[name] = { dtype: "U8", shape: [bytes.length], data_offsets: [offset, offset + bytes.length] };
    offset += bytes.length;
  }
  const text = JSON.stringify(header);
  return withHeader(text.padEnd(Math.ceil(text.length / 8) * 8), concat(tensors.map(({ bytes }) => bytes)));
}

/** A file with any text for a header, also one that no writer makes. */
export function withHeader(header: string, data: Uint8Array = new Uint8Array(0), headerBytes?: number | bigint): Uint8Array {
  const text = new TextEncoder().encode(header);
  return new Writer()
    .uint(headerBytes ?? text.length, 8)
    .bytes(text)
    .bytes(data)
    .done();
}
