/** Chunks that a store took after checking no more than an MD5 (docs/decisions/0003): their own repository alone may name them. */
export function isClaimed(tag: string): boolean {
  return Number.parseInt(tag.slice(0, 2), 16) >= 0x80;
}
