/** The index ports in memory keep their promises, so what domain tests rely on is true of Redis too. */

import { metadataSuite } from "../suites/metadata.ts";
import { memoryIndexes } from "../support/memory-index.ts";

metadataSuite("in memory", () => memoryIndexes({ clock: { now: () => 0 } }));
