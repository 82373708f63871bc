/** Callers of the registry for benches of it: each has a repository of its own, so that commits do not wait for one another. */
import { randomBytes } from "node:crypto";
import { Agent, request } from "undici";
import * as z from "zod";
import type { RevisionId } from "../../shared/names.ts";
import { newOperation, type Registry } from "./registry.ts";
import { BRANCH, pushFirst, type SmallFile, smallFile } from "./small-push.ts";

const PAGE = 500;
const CHUNK_BYTES = 1024 * 1024;
const ATTEMPTS = 5;

export type Act = "resolve" | "reserve(500)" | "open and commit";

type Lane = { path: string; upload: string; parent: RevisionId; file: SmallFile };
type Ask = (method: "GET" | "POST", path: string, body?: unknown) => Promise<string>;

const Opened = z.object({ upload: z.string() });
const Committed = z.object({ revision: z.custom<RevisionId>((value) => typeof value === "string") });

export class ApiLanes {
  readonly #lanes: Lane[];
  readonly #agent: Agent;
  readonly #ask: Ask;

  private constructor(registry: Registry, lanes: Lane[]) {
    this.#lanes = lanes;
    this.#agent = new Agent({ connections: lanes.length });
    this.#ask = asker(registry, this.#agent);
  }

  static async open(registry: Registry, count: number): Promise<ApiLanes> {
    const lanes: Lane[] = [];
    for (let at = 0; at < count; at++) lanes.push(await makeLane(registry, at));
    return new ApiLanes(registry, lanes);
  }

  /** Throws what was not answered as it should be. */
  async act(name: Act, at: number): Promise<void> {
    const lane = this.#lanes[at];
    if (lane === undefined) throw new RangeError(`there is no lane ${at}`);
    const { path, upload } = lane;
    if (name === "resolve") await this.#ask("GET", `${path}/revisions/${BRANCH}`);
    else if (name === "reserve(500)") await this.#ask("POST", `${path}/uploads/${upload}/reserve`, { attempt: 1, chunks: newChunks() });
    else await this.#openAndCommit(lane);
  }

  async #openAndCommit(lane: Lane): Promise<void> {
    const { path, parent, file } = lane;
    const opened = await this.#ask("POST", `${path}/uploads`, { branch: BRANCH, operationId: newOperation() });
    const body = { operationId: newOperation(), parent, files: [file.entry] };
    const commit = `${path}/uploads/${encodeURIComponent(Opened.parse(JSON.parse(opened)).upload)}/commit`;
    lane.parent = Committed.parse(JSON.parse(await this.#ask("POST", commit, body))).revision;
  }

  close(): Promise<void> {
    return this.#agent.close();
  }
}

async function makeLane({ admin, makeRepository }: Registry, at: number): Promise<Lane> {
  const { repository } = await makeRepository(`lane-${at}`);
  const file = smallFile("file.txt");
  const { revision } = await pushFirst(admin, repository, file);
  const { upload } = await admin.call("openUpload", { repository, body: { branch: BRANCH, operationId: newOperation() } });
  return { path: `/api/v1/repositories/${repository}`, upload: encodeURIComponent(upload), parent: revision, file };
}

/** As every client of ours does, it asks again when it is told to: on a machine that others work on, Redis may be late. */
function asker({ endpoint, token }: Registry, dispatcher: Agent): Ask {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  return async (method, path, body) => {
    for (let attempt = 1; ; attempt++) {
      const text = body === undefined ? {} : { body: JSON.stringify(body) };
      const answer = await request(endpoint + path, { method, headers, dispatcher, ...text });
      const said = await answer.body.text();
      if (answer.statusCode < 300) return said;
      if (answer.statusCode !== 503 || attempt === ATTEMPTS)
        throw new Error(`${method} ${path.slice(0, 80)} was answered with ${answer.statusCode}: ${said.slice(0, 300)}`);
    }
  };
}

/** Digests that nobody asked for before. */
function newChunks(): { sha256: string; size: number }[] {
  const bytes = randomBytes(PAGE * 32);
  return Array.from({ length: PAGE }, (_, at) => ({ sha256: bytes.toString("hex", at * 32, (at + 1) * 32), size: CHUNK_BYTES }));
}
