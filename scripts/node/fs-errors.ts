/** What the disk says, as one sentence for a person. */
import { FerryError, problemOf } from "../../shared/errors.ts";

const SENTENCES: Readonly<Record<string, string>> = {
  ENOENT: "it is not there",
  EACCES: "permission denied",
  EPERM: "permission denied",
  ENOSPC: "no space left on the disk",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file system does not take files of this size",
  EROFS: "the file system is read-only",
  EIO: "the disk reports an input/output error",
  EISDIR: "a folder is there",
  ENOTEMPTY: "a folder is there",
  ENOTDIR: "something that is not a folder is in its way",
  EEXIST: "something that is not a folder is in its way",
  ELOOP: "a symbolic link is in its way",
  EXDEV: "its folder is on another disk",
  EMFILE: "too many files are open",
  ENFILE: "too many files are open",
  ENAMETOOLONG: "its name is too long for this disk",
  ETXTBSY: "it is being executed",
};

export function fsProblem(error: unknown): string {
  return SENTENCES[fsCode(error)] ?? problemOf(error);
}

/** Empty for what is no error of the disk. */
export function fsCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** @param path as the person knows it. */
export function unreadable(path: string, error: unknown): FerryError {
  if (error instanceof FerryError) return error;
  return new FerryError("FILE_UNREADABLE", { path, problem: fsProblem(error) }, { cause: error });
}

/** @param path as the person knows it. */
export function unwritable(path: string, error: unknown): FerryError {
  if (error instanceof FerryError) return error;
  return new FerryError("FILE_UNWRITABLE", { path, problem: fsProblem(error) }, { cause: error });
}
