/** Mounts what Hub clients read at the root of an app: `HF_ENDPOINT` is the app's own address. */
import type { Context } from "hono";
import { FerryError } from "../../../shared/errors.ts";
import type { Catalog } from "../catalog.ts";
import type { Gate, Visit } from "../gate.ts";
import { openToPages, preflight } from "./browsers.ts";
import { asFerryError, hubProblem } from "./errors.ts";
import { type Answering, authCheck, commits, listModels, modelInfo, pathsInfo, refs, tree, validateYaml, whoAmI } from "./models.ts";
import { resolveFile } from "./resolve.ts";

export const MODEL = "/api/models/:namespace/:name";
const QUIETLY: Visit = { act: "hub.read", recorded: "never" };

/** An app of any environment: only the gate looks at it. */
export type AnyApp = { on(method: string, path: string, answer: (c: Context) => Promise<Response>): unknown };

export function mountHubRead(app: AnyApp, gate: Gate<Catalog>): void {
  const get = (path: string, answer: Answering, visit = QUIETLY) => app.on("GET", path, (c) => opened(c, gate, visit, answer));
  get("/api/whoami-v2", whoAmI);
  get("/api/models", listModels);
  get(MODEL, modelInfo);
  get(`${MODEL}/revision/*`, modelInfo);
  get(`${MODEL}/tree/*`, tree);
  get(`${MODEL}/refs`, refs);
  get(`${MODEL}/commits/*`, commits);
  get(`${MODEL}/auth-check`, authCheck);
  get(`${MODEL}/auth-check/write`, authCheck);
  get("/:namespace/:name/resolve/*", resolveFile, { act: "hub.download", recorded: "later" });
  get("/:namespace/:name/raw/*", resolveFile, { act: "hub.download", recorded: "later" });
  app.on("POST", `${MODEL}/paths-info/*`, (c) => opened(c, gate, QUIETLY, pathsInfo));
  app.on("POST", "/api/validate-yaml", (c) => opened(c, gate, QUIETLY, validateYaml));
  for (const path of [
    "/api/models/*",
    "/api/repos/*",
    "/api/whoami-v2",
    "/api/validate-yaml",
    "/:namespace/:name/resolve/*",
    "/:namespace/:name/raw/*",
    "/:namespace/:name/info/*",
  ])
    app.on("OPTIONS", path, async () => preflight());
  for (const path of ["/api/models/:name", "/api/datasets/*", "/api/spaces/*", "/datasets/*", "/spaces/*"]) get(path, nothingThere);
}

const nothingThere: Answering = async (c) => {
  throw new FerryError("REPOSITORY_UNKNOWN", { repository: c.req.path.slice(0, 200) });
};

/** Errors leave in the Hub's form; where a file is missing, clients remember that for the revision. */
export async function opened<C extends Catalog>(
  c: Context,
  gate: Gate<C>,
  visit: Visit,
  answer: (c: Context, catalog: C, told: { repository: string | null; about: Record<string, string> }) => Promise<Response>,
): Promise<Response> {
  try {
    return openToPages(c, await gate(c, visit, (catalog, told) => answer(c, catalog, told)));
  } catch (thrown) {
    const error = asFerryError(thrown);
    return openToPages(c, hubProblem(error, c.req.method, toldBy(c, error)));
  }
}

function toldBy(c: Context, { code, details }: FerryError): Record<string, string> {
  const { revision, repository, current } = details;
  if (code === "FILE_UNKNOWN" && typeof revision === "string") return { "x-repo-commit": revision };
  if (code !== "REPOSITORY_MOVED") return {};
  // A repository's name comes first in a path, or right behind /api/models.
  const { pathname, search } = new URL(c.req.url);
  const place = pathname.startsWith("/api/") ? "/api/models/" : "/";
  return { location: `${place}${current}${pathname.slice(`${place}${repository}`.length)}${search}` };
}
