/** The files that somebody dropped, as the source of a push. */
import { sha256 } from "../../../../shared/digest.ts";
import { FerryError } from "../../../../shared/errors.ts";
import { pathProblem } from "../../../../shared/paths.ts";
import type {
  LocalChunk,
  MoveOptions,
  ScannedFile,
  ScanOptions,
  SendTask,
  Source,
  SourceEntry,
  SourceFile,
  StoreAnswer,
} from "../../../../shared/transfer/ports.ts";
import { blobOf } from "./blob.ts";
import type { HashPool } from "./hash-pool.ts";
import { sendBlob } from "./send.ts";

/** `path`: below the folder that was dropped, as the revision will have it. */
export type DroppedFile = { path: string; file: File };

export class BrowserSource implements Source {
  readonly #files: Map<string, File>;
  readonly #pool: HashPool;

  constructor(files: readonly DroppedFile[], pool: HashPool) {
    this.#files = new Map(files.map(({ path, file }) => [path, file]));
    this.#pool = pool;
  }

  async list(): Promise<SourceEntry[]> {
    const entries = [...this.#files].map(([path, file]): SourceFile => {
      const problem = pathProblem(path);
      if (problem !== null) throw new FerryError("PATH_UNSAFE", { path, problem });
      // A file in the browser is a snapshot: reading it fails once it has changed.
      return { kind: "file", path, local: path, sizeBytes: file.size, executable: false, stamp: `${file.size} ${file.lastModified}` };
    });
    return entries.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  scan(file: SourceFile, options: ScanOptions): Promise<ScannedFile> {
    if (options.md5) {
      throw new FerryError("TRANSFER_REFUSED", {
        what: file.path,
        problem: "this store checks MD5, which browsers can't make; use `ferry push`",
      });
    }
    return this.#pool.scan(file.path, this.#fileOf(file), options);
  }

  send({ file, chunk, request }: SendTask, options: MoveOptions): Promise<StoreAnswer> {
    return sendBlob(request, blobOf(this.#fileOf(file), chunk.ranges), options);
  }

  async holds(file: SourceFile, chunk: LocalChunk): Promise<boolean> {
    const blob = blobOf(this.#fileOf(file), chunk.ranges);
    const bytes = await blob.arrayBuffer().catch(() => null);
    return bytes !== null && (await sha256(new Uint8Array(bytes))) === chunk.sha256;
  }

  #fileOf({ path, local }: SourceFile): File {
    const file = this.#files.get(local);
    if (file === undefined) throw new FerryError("FILE_UNREADABLE", { path, problem: "it was not chosen" });
    return file;
  }
}
