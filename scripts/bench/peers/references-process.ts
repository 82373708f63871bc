/** Downloads a list of files by Node's fetch or undici's dispatch, hashing and writing as the bytes come. Argument: a file of JSON. */
import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { Agent } from "undici";
import * as z from "zod";

const Way = z.enum(["fetch", "dispatch"]);
export type Way = z.infer<typeof Way>;

const Work = z.object({
  way: Way,
  connections: z.number(),
  files: z.array(z.object({ url: z.string(), path: z.string(), sha256: z.string() })),
});

type Take = (bytes: Uint8Array) => void;

const WAYS: Record<Way, (url: string, take: Take, agent: Agent) => Promise<void>> = {
  async fetch(url, take) {
    const answer = await fetch(url);
    if (!answer.ok || answer.body === null) throw new Error(`answered with ${answer.status}`);
    for await (const bytes of answer.body) take(bytes);
  },
  dispatch(url, take, agent) {
    const { origin, pathname, search } = new URL(url);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    agent.dispatch(
      { origin, path: pathname + search, method: "GET" },
      {
        onRequestStart: () => {},
        onResponseStart: (controller, status) => {
          if (status !== 200) controller.abort(new Error(`answered with ${status}`));
        },
        onResponseData: (_, bytes) => take(bytes),
        onResponseEnd: () => resolve(),
        onResponseError: (_, error) => reject(error),
      },
    );
    return promise;
  },
};

async function download(file: z.infer<typeof Work>["files"][number], way: Way, agent: Agent): Promise<void> {
  mkdirSync(dirname(file.path), { recursive: true });
  const target = openSync(file.path, "w");
  const hash = createHash("sha256");
  try {
    const take: Take = (bytes) => {
      hash.update(bytes);
      writeSync(target, bytes);
    };
    await WAYS[way](file.url, take, agent);
  } finally {
    closeSync(target);
  }
  if (hash.digest("hex") !== file.sha256) throw new Error(`${file.path} has other bytes`);
}

if (import.meta.main) {
  const { way, connections, files } = Work.parse(JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")));
  const agent = new Agent({ connections });
  const left = files.values();
  const lane = async () => {
    for (const file of left) await download(file, way, agent);
  };
  await Promise.all(Array.from({ length: connections }, lane));
  await agent.close();
}
