/** The web console's files on Node: read once into memory (less than a MiB), compressed once, served beside the app. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { extname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { FILE_HEADERS, HASHED_CACHING, HASHED_FOLDER, NAMED_CACHING } from "../dashboard/policy.ts";

const TYPES: Record<string, string> = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

type ConsoleFile = { bytes: Uint8Array<ArrayBuffer>; gzip: Uint8Array<ArrayBuffer>; headers: Record<string, string> };
type Fetch<E> = (request: Request, env: E) => Response | Promise<Response>;

export const CONSOLE_FILES = fileURLToPath(new URL("../../dist/console", import.meta.url));

/** Answers for the console's files itself, and leaves all else to `next`. Without a built console everything is left to it. */
export function withConsole<E>(next: Fetch<E>, folder: string = CONSOLE_FILES): Fetch<E> {
  const files = readFiles(folder);
  return (request, env) => {
    const file = files.get(new URL(request.url).pathname);
    const asks = request.method === "GET" || request.method === "HEAD";
    return file !== undefined && asks ? answer(file, request) : next(request, env);
  };
}

function answer({ bytes, gzip, headers }: ConsoleFile, request: Request): Response {
  if (request.headers.get("if-none-match") === headers["etag"]) return new Response(null, { status: 304, headers });
  const zipped = /\bgzip\b/.test(request.headers.get("accept-encoding") ?? "");
  const body = zipped ? gzip : bytes;
  const length = { "content-length": String(body.length), ...(zipped ? { "content-encoding": "gzip" } : {}) };
  return new Response(request.method === "HEAD" ? null : body, { headers: { ...headers, ...length } });
}

function readFiles(folder: string): Map<string, ConsoleFile> {
  const files = new Map<string, ConsoleFile>();
  for (const name of namesIn(folder)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const bytes = new Uint8Array(readFileSync(join(folder, name)));
    const path = `/${name.split(sep).join("/")}`;
    files.set(path, { bytes, gzip: new Uint8Array(gzipSync(bytes)), headers: headersOf(path, type, bytes) });
  }
  return files;
}

function headersOf(path: string, type: string, bytes: Uint8Array): Record<string, string> {
  return {
    ...FILE_HEADERS,
    "content-type": type,
    "cache-control": path.includes(`/${HASHED_FOLDER}/`) ? HASHED_CACHING : NAMED_CACHING,
    etag: `"${createHash("sha256").update(bytes).digest("hex").slice(0, 32)}"`,
    vary: "accept-encoding",
  };
}

function namesIn(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  } catch {
    return [];
  }
}
