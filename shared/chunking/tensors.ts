import { TA1 } from "./constants.ts";
import { readGguf } from "./gguf.ts";
import { detectFormat } from "./plan.ts";
import { readSafetensors } from "./safetensors.ts";
import { Segments } from "./segments.ts";
import { type ByteSource, Malformed } from "./source.ts";
import type { TensorInfo } from "./tensor.ts";

/** Several times what the largest real models have; a hostile header must not fill the memory with names. */
const LISTED_MAX = 250_000;

/**
 * The tensors of a safetensors or GGUF file in the order of its header, with their names, types and shapes; null for any other file,
 * for one that breaks the format's rules, and for one of more than 250,000 tensors. A GGUF shape has the innermost length first.
 */
export async function listTensors(source: ByteSource): Promise<TensorInfo[] | null> {
  try {
    switch (await detectFormat(source)) {
      case "safetensors":
        return await list(source, async (visit) => {
          await readSafetensors(source, TA1, visit);
          return 0;
        });
      case "gguf":
        return await list(source, (visit) => readGguf(source, TA1, visit));
      default:
        return null;
    }
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

/** @param read visits tensors and returns where in the file their offsets count from. */
async function list(source: ByteSource, read: (visit: (tensor: TensorInfo) => void) => Promise<number>): Promise<TensorInfo[]> {
  const tensors: TensorInfo[] = [];
  const segments = new Segments(LISTED_MAX);
  const base = await read((tensor) => {
    segments.add(tensor.offset, tensor.sizeBytes, 0);
    tensors.push(tensor);
  });
  if (tensors.length > 0) segments.seal(source.sizeBytes - base);
  for (const tensor of tensors) tensor.offset += base;
  return tensors;
}
