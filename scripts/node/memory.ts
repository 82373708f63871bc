/** How much memory this process may still fill. */
import { freemem } from "node:os";

/** What the machine has to spare (Linux: MemAvailable) and what the process's own group may still take, whichever is less. */
export function availableMemoryBytes(): number {
  // Not in the first releases of Node 20.
  const group = process.availableMemory?.() ?? Number.POSITIVE_INFINITY;
  return Math.min(freemem(), group);
}
