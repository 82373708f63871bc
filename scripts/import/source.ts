/** What an import pushes: files of an origin, each from its copy in the spool. */
import { FerryError } from "../../shared/errors.ts";
import { pathProblem, treeProblem } from "../../shared/paths.ts";
import { pathFilter } from "../../shared/transfer/globs.ts";
import type {
  LocalChunk,
  MoveOptions,
  ScannedFile,
  ScanOptions,
  SendTask,
  Source,
  SourceFile,
  StoreAnswer,
} from "../../shared/transfer/ports.ts";
import type { OriginFile } from "./origin.ts";
import type { Spool } from "./spool.ts";

export type ImportRequest = { name: string; files: readonly OriginFile[]; include?: readonly string[]; exclude?: readonly string[] };

export class ImportSource implements Source {
  readonly #disk: Source;
  readonly #spool: Spool;
  readonly #request: ImportRequest;
  readonly #files = new Map<string, OriginFile>();

  /** @param disk reads the copies. */
  constructor(disk: Source, spool: Spool, request: ImportRequest) {
    this.#disk = disk;
    this.#spool = spool;
    this.#request = request;
  }

  async list(): Promise<SourceFile[]> {
    const { name, files, include, exclude } = this.#request;
    const isWanted = pathFilter(include, exclude);
    const wanted = files.filter(({ path }) => isWanted(path)).sort((a, b) => (a.path < b.path ? -1 : 1));
    for (const file of wanted) {
      const problem = pathProblem(file.path);
      if (problem !== null) throw new FerryError("PATH_UNSAFE", { path: file.path, problem });
      this.#files.set(file.path, file);
    }
    const clash = treeProblem(wanted.map(({ path }) => path));
    if (clash !== null) throw new FerryError("PATH_UNSAFE", clash);
    if (wanted.length === 0) throw new FerryError("USAGE_INVALID", { problem: `there is nothing to import in ${name}` });
    return wanted.map(({ path, sizeBytes }) => ({ kind: "file", path, local: "", sizeBytes, executable: false, stamp: "" }));
  }

  async scan(file: SourceFile, options: ScanOptions): Promise<ScannedFile> {
    const origin = this.#originOf(file);
    const scanned = await this.#spool.use(origin, options.signal, (local) => this.#disk.scan(local, options));
    if (origin.sha256 !== null && scanned.sha256 !== origin.sha256) {
      this.#spool.spoil(origin);
      throw new FerryError("DIGEST_INVALID", { what: file.path, expected: origin.sha256 });
    }
    return scanned;
  }

  send(task: SendTask, options: MoveOptions): Promise<StoreAnswer> {
    return this.#spool.use(this.#originOf(task.file), options.signal, (file) => this.#disk.send({ ...task, file }, options));
  }

  holds(file: SourceFile, chunk: LocalChunk, signal: AbortSignal): Promise<boolean> {
    return this.#spool.use(this.#originOf(file), signal, (local) => this.#disk.holds(local, chunk, signal));
  }

  #originOf({ path }: SourceFile): OriginFile {
    const file = this.#files.get(path);
    if (file === undefined) throw new FerryError("INTERNAL", { problem: `${path} was not listed` });
    return file;
  }
}
