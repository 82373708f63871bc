/**
 * Page-aligned memory, as O_DIRECT needs it. Node's buffers begin anywhere; the memory of WebAssembly begins at a page
 * (reference/transfer.md §0.3). Untouched pages of it cost nothing.
 */
import { KiB } from "../../shared/units.ts";

declare global {
  namespace WebAssembly {
    class Memory {
      constructor(size: { initial: number; maximum: number });
      readonly buffer: ArrayBuffer;
    }
  }
}

export const BLOCK_BYTES = 512 * KiB;
const WASM_PAGE_BYTES = 65_536;

export class Arena {
  readonly #count: number;
  #free: Buffer[] | null = null;

  /** @param count blocks of BLOCK_BYTES. */
  constructor(count: number) {
    this.#count = count;
  }

  /** Two blocks, one to fill while the other is written; null when there are none left, or the system gives no such memory. */
  takePair(): [Buffer, Buffer] | null {
    this.#free ??= makeBlocks(this.#count);
    const [first, second] = this.#free.splice(-2);
    if (first !== undefined && second !== undefined) return [first, second];
    if (first !== undefined) this.#free.push(first);
    return null;
  }

  give(pair: readonly [Buffer, Buffer]): void {
    this.#free?.push(...pair);
  }
}

function makeBlocks(count: number): Buffer[] {
  try {
    const pages = (count * BLOCK_BYTES) / WASM_PAGE_BYTES;
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages });
    return Array.from({ length: count }, (_, at) => Buffer.from(buffer, at * BLOCK_BYTES, BLOCK_BYTES));
  } catch {
    return [];
  }
}
