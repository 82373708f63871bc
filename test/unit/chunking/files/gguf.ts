import { Writer } from "./bytes.ts";
import type { Tensor } from "./safetensors.ts";

const TYPE_UINT32 = 4;
const TYPE_FLOAT32 = 6;
const TYPE_STRING = 8;
const TYPE_ARRAY = 9;
const TYPE_I8 = 24;

export type GgufOptions = { version?: number; alignment?: number; template?: string; tokens?: number };

/** As llama.cpp writes it: pairs of several types, tensors of I8, each padded with zeros to the alignment. */
export function gguf(tensors: readonly Tensor[], options: GgufOptions = {}): Uint8Array {
  const { version = 3, alignment = 32, template = "{{ messages }}", tokens = 20 } = options;
  const writer = new Writer().text("GGUF").uint(version, 4).uint(tensors.length, 8).uint(5, 8);
  text(writer, "general.architecture").uint(TYPE_STRING, 4);
  text(writer, "llama");
  text(writer, "general.alignment").uint(TYPE_UINT32, 4).uint(alignment, 4);
  text(writer, "tokenizer.chat_template").uint(TYPE_STRING, 4);
  text(writer, template);
  text(writer, "tokenizer.ggml.tokens").uint(TYPE_ARRAY, 4).uint(TYPE_STRING, 4).uint(tokens, 8);
  for (let token = 0; token < tokens; token++) text(writer, `token ${token}`);
  text(writer, "tokenizer.ggml.scores")
    .uint(TYPE_ARRAY, 4)
    .uint(TYPE_FLOAT32, 4)
    .uint(tokens, 8)
    .zeros(4 * tokens);
  let offset = 0;
  for (const { name, bytes } of tensors) {
    text(writer, name).uint(1, 4).uint(bytes.length, 8).uint(TYPE_I8, 4).uint(offset, 8);
    offset += Math.ceil(bytes.length / alignment) * alignment;
  }
  for (const { bytes } of tensors) writer.align(alignment).bytes(bytes);
  return writer.align(alignment).done();
}

export function text(writer: Writer, value: string): Writer {
  return writer.uint(new TextEncoder().encode(value).length, 8).text(value);
}
