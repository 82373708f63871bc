/** One agent for one cache folder: two would each count only what they brought, and delete what the other serves. */
import { readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import * as z from "zod";
import { FerryError } from "../../shared/errors.ts";
import { lifeOf, Owner, thisOwner } from "../node/owner.ts";

const TOUCH_MS = 5_000;
/** An owner whose process can't be looked at (another container's) lives as long as it touches its note. */
const SILENT_MS = 15_000;

const Note = Owner.extend({ pid: z.int() });

export class CacheLock {
  readonly #path: string;
  readonly #server: Server | null;
  readonly #timer: NodeJS.Timeout;

  private constructor(path: string, server: Server | null) {
    this.#path = path;
    this.#server = server;
    this.#timer = setInterval(() => touch(path), TOUCH_MS);
    this.#timer.unref();
  }

  /** Throws AGENT_CACHE_BUSY naming who has it. @param folder exists and is writable. */
  static async take(folder: string): Promise<CacheLock> {
    const path = join(folder, "owner.json");
    const server = await listenOn(folder);
    try {
      const owner = ownerAt(path);
      if (owner !== null) throw new FerryError("AGENT_CACHE_BUSY", { path: folder, owner });
      const note = `${path}.${process.pid}`;
      writeFileSync(note, `${JSON.stringify(thisOwner())}\n`);
      renameSync(note, path);
      return new CacheLock(path, server);
    } catch (error) {
      server?.close();
      throw error;
    }
  }

  release(): void {
    clearInterval(this.#timer);
    rmSync(this.#path, { force: true });
    this.#server?.close();
  }
}

/** Null: nobody, or one who is dead. */
function ownerAt(path: string): string | null {
  const owner = Note.safeParse(readJson(path));
  if (!owner.success) return null;
  const life = lifeOf(owner.data);
  if (life === "dead" || (life === "alive" && owner.data.pid === process.pid)) return null;
  if (life === "unknown" && Date.now() - statSync(path).mtimeMs > SILENT_MS) return null;
  return life === "alive" ? `process ${owner.data.pid}` : "one in another container, which was there a moment ago";
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return null;
  }
}

function touch(path: string): void {
  try {
    utimesSync(path, new Date(), new Date());
  } catch {
    // The folder is gone, and the cache with it: its reads say so.
  }
}

/**
 * Linux has names for sockets that no file stands for: one process at a time can have one, and it goes with the process however that ends.
 * So two that start in the same moment can't both find the note of a dead one. Null where there are none.
 */
async function listenOn(folder: string): Promise<Server | null> {
  if (process.platform !== "linux") return null;
  const { dev, ino } = statSync(folder);
  const server = createServer((socket) => socket.destroy());
  server.unref();
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      if (cause.code !== "EADDRINUSE") return resolve(null);
      reject(new FerryError("AGENT_CACHE_BUSY", { path: folder, owner: "a process on this machine" }, { cause }));
    });
    server.listen(`\0modelferry-cache-${dev}-${ino}`, () => resolve(server));
  });
}
