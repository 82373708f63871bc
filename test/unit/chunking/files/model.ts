import { Random } from "./bytes.ts";
import { gguf } from "./gguf.ts";
import { safetensors, type Tensor } from "./safetensors.ts";
import { distcp, npz, torchZip, zip } from "./zip.ts";

/** A transformer of small and big tensors for numbers scaled by 2^7; lengths are multiples of 64. */
export function model(): Tensor[] {
  const random = new Random(1);
  const tensor = (name: string, length: number) => ({ name, bytes: random.bytes(length) });
  const layer = (index: number) => [
    tensor(`model.layers.${index}.input_layernorm.weight`, 64),
    tensor(`model.layers.${index}.mlp.down_proj.weight`, 192_000),
    tensor(`model.layers.${index}.self_attn.k_proj.bias`, 128),
    tensor(`model.layers.${index}.self_attn.k_proj.weight`, 16_384),
    tensor(`model.layers.${index}.self_attn.q_proj.weight`, 65_536),
    tensor(`model.layers.${index}.self_attn.v_proj.weight`, 16_384),
  ];
  return [tensor("model.embed_tokens.weight", 1_200_000), ...Array.from({ length: 5 }, (_, index) => layer(index)).flat()];
}

/** Every way of writing tensors down that the chunker knows, and what it must take the file for. */
export const WRITERS: readonly { name: string; format: string; write: (tensors: readonly Tensor[]) => Uint8Array }[] = [
  { name: "safetensors", format: "safetensors", write: (tensors) => safetensors(tensors, { format: "pt" }) },
  { name: "GGUF 3", format: "gguf", write: (tensors) => gguf(tensors) },
  { name: "GGUF 2 with another alignment", format: "gguf", write: (tensors) => gguf(tensors, { version: 2, alignment: 64 }) },
  { name: "torch.save", format: "zip", write: (tensors) => torchZip(tensors) },
  { name: "a distributed checkpoint", format: "zip", write: distcp },
  { name: "np.savez", format: "zip", write: npz },
  { name: "a plain zip", format: "zip", write: (tensors) => zip(tensors, { comment: "made by hand" }) },
  { name: "a zip of compressed members", format: "zip", write: (tensors) => zip(tensors, { deflate: true }) },
  { name: "a zip with ZIP64 entries", format: "zip", write: (tensors) => zip(tensors, { zip64: true, entryZip64: true }) },
];
