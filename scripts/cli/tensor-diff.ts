/** Tensors of a file before and after: which came, went, or are others. */
import type { TensorInfo } from "../../shared/chunking/tensor.ts";
import type { Digest } from "../../shared/digest.ts";
import type { Recipe } from "../../shared/recipe.ts";

/** How a file is laid out in chunks. */
export type Layout = Pick<Recipe, "size" | "chunks" | "extents">;
/** `length` bytes of the chunk from `offset`; `whole`: all it has. */
export type Piece = { chunk: Digest; offset: number; length: number; whole: boolean };

type Shape = { dtype: string; shape: number[] };
export type TensorChange =
  | { change: "added"; name: string; after: Shape }
  | { change: "removed"; name: string; before: Shape }
  | { change: "changed"; name: string; before: Shape; after: Shape };
/** `uncompared`: names of tensors of the same type and shape whose bytes share chunks with others, and were not read. */
export type TensorDiff = { changes: TensorChange[]; unchanged: number; uncompared: string[] };

export class Pieces {
  readonly layout: Layout;
  /** Where in the file each extent begins, and the end. */
  readonly #starts: number[] = [0];

  constructor(layout: Layout) {
    this.layout = layout;
    for (const [, , length] of layout.extents) this.#starts.push((this.#starts.at(-1) ?? 0) + length);
  }

  /** What `length` bytes of the file from `offset` are made of. */
  *in(offset: number, length: number): Generator<Piece> {
    const end = offset + length;
    for (let at = this.#extentAt(offset); at < this.layout.extents.length; at++) {
      const [start = 0, stop = 0] = this.#starts.slice(at, at + 2);
      if (start >= end) return;
      const [chunk = 0, from = 0] = this.layout.extents[at] ?? [];
      const [digest, sizeBytes = 0] = this.layout.chunks[chunk] ?? [];
      const [first, last] = [Math.max(start, offset), Math.min(stop, end)];
      if (digest !== undefined && last > first)
        yield { chunk: digest, offset: from + first - start, length: last - first, whole: last - first === sizeBytes };
    }
  }

  #extentAt(offset: number): number {
    let [low, high] = [0, this.layout.extents.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle + 1] ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** `bytesAt`: what is at hand already; null when it would have to be fetched. */
export type TensorSide = { tensors: readonly TensorInfo[]; pieces: Pieces; bytesAt(offset: number, length: number): Uint8Array | null };

export function diffTensors(before: TensorSide, after: TensorSide): TensorDiff {
  const earlier = new Map(before.tensors.map((tensor) => [tensor.name, tensor]));
  const diff: TensorDiff = { changes: [], unchanged: 0, uncompared: [] };
  for (const tensor of after.tensors) {
    const { name } = tensor;
    const old = earlier.get(name);
    earlier.delete(name);
    const same = old === undefined ? null : isSameShape(old, tensor) ? isSameContent(before, old, after, tensor) : false;
    if (old === undefined) diff.changes.push({ change: "added", name, after: shapeOf(tensor) });
    else if (same === false) diff.changes.push({ change: "changed", name, before: shapeOf(old), after: shapeOf(tensor) });
    else if (same === null) diff.uncompared.push(name);
    else diff.unchanged++;
  }
  for (const tensor of earlier.values()) diff.changes.push({ change: "removed", name: tensor.name, before: shapeOf(tensor) });
  return diff;
}

function shapeOf({ dtype, shape }: TensorInfo): Shape {
  return { dtype, shape };
}

export function isSameShape(a: Shape, b: Shape): boolean {
  return a.dtype === b.dtype && a.shape.length === b.shape.length && a.shape.every((length, at) => length === b.shape[at]);
}

/** Null when the chunks don't tell: other chunks of the same lengths have other content, but of a part of a chunk nothing is known. */
function isSameContent(before: TensorSide, old: TensorInfo, after: TensorSide, tensor: TensorInfo): boolean | null {
  if (old.sizeBytes !== tensor.sizeBytes) return false;
  const [a, b] = [[...before.pieces.in(old.offset, old.sizeBytes)], [...after.pieces.in(tensor.offset, tensor.sizeBytes)]];
  if (JSON.stringify(a) === JSON.stringify(b)) return true;
  if (a.length === b.length && a.every(({ length, whole }, at) => whole && b[at]?.whole === true && length === b[at].length)) return false;
  const [x, y] = [before.bytesAt(old.offset, old.sizeBytes), after.bytesAt(tensor.offset, tensor.sizeBytes)];
  return x === null || y === null ? null : x.every((byte, at) => byte === y[at]);
}
