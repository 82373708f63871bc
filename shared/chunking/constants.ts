import { KiB, MiB } from "../units.ts";

/**
 * The numbers of the chunker `ta1`. Only tests pass others than `TA1`, to reach every rule with small files: `planChunks` takes none,
 * because a plan made with other numbers is not `ta1`, and a change here is a new chunker with a new name.
 */
export type Ta1Constants = Readonly<{
  /** A large tensor, the residue and everything else that is long is cut at this length. */
  pieceBytes: number;
  /** A tensor of at least this length has chunks of its own. */
  bigBytes: number;
  /** The mean length at which a group of small tensors closes. */
  targetBytes: number;
  /** A shorter group goes to the residue; a longer stretch of meta is treated as a tensor. */
  minBytes: number;
  /** Content-defined cuts of opaque files: the first place, and how many leading zero bits of the gear hash make one. */
  gearMinBytes: number;
  gearBits: number;
  /** Limits of parsing; a file beyond one is opaque. */
  headerBytesMax: number;
  segmentsMax: number;
  /** Stretches of meta between segments: with more, the recipe would be too long to be sent. */
  gapsMax: number;
  /** The longest name, and the longest description of one tensor in a JSON header. */
  nameBytesMax: number;
}>;

export const TA1: Ta1Constants = {
  pieceBytes: 64 * MiB,
  bigBytes: 4 * MiB,
  targetBytes: 16 * MiB,
  minBytes: MiB,
  gearMinBytes: 8 * MiB,
  gearBits: 23,
  headerBytesMax: 100_000_000,
  segmentsMax: 2_000_000,
  gapsMax: 250_000,
  nameBytesMax: 64 * KiB,
};
