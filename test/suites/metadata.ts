/** What every implementation of the index ports promises, tried on each of them: `metadataSuite(name, make)`. */
import type {
  ChunkIndex,
  Leases,
  Meters,
  Notes,
  RepositoryIndex,
  ShortTokens,
  SystemIndex,
  TokenUses,
  Uploads,
} from "../../functions/registry/ports.ts";
import type { ReplicaJobs } from "../../functions/registry/replicate/ports.ts";
import { accessSuite } from "./metadata-access.ts";
import { chunkIndexSuite } from "./metadata-chunks.ts";
import { directorySuite } from "./metadata-directory.ts";
import { jobsSuite } from "./metadata-jobs.ts";
import { leasesSuite } from "./metadata-leases.ts";
import { lifecycleSuite } from "./metadata-lifecycle.ts";
import { notesSuite } from "./metadata-notes.ts";
import { repositoryIndexSuite } from "./metadata-repositories.ts";
import { systemIndexSuite } from "./metadata-system.ts";
import { uploadsSuite } from "./metadata-uploads.ts";

/** Empty indexes, never begun. */
export type Indexes = {
  system: SystemIndex;
  repositories: RepositoryIndex;
  chunks: ChunkIndex;
  uploads: Uploads;
  leases: Leases;
  notes: Notes;
  uses: TokenUses;
  shortTokens: ShortTokens;
  meters: Meters;
  jobs: ReplicaJobs;
  /** As if one key had vanished; spelled as in functions/metadata/keys.ts without the prefix. */
  loseKey(key: string): void | Promise<void>;
};

/** `make` gives new indexes to each test. */
export type MakeIndexes = () => Indexes;

export function metadataSuite(name: string, make: MakeIndexes): void {
  systemIndexSuite(name, make);
  repositoryIndexSuite(name, make);
  lifecycleSuite(name, make);
  directorySuite(name, make);
  chunkIndexSuite(name, make);
  uploadsSuite(name, make);
  leasesSuite(name, make);
  notesSuite(name, make);
  accessSuite(name, make);
  jobsSuite(name, make);
}
